"""The best k of a block of scores by one rule: score descending, then column ascending."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def stable_topk(
    scores: Float[Tensor, "B C"], k: int
) -> tuple[Int[np.ndarray, "B k"], Float[np.ndarray, "B k"]]:
    """Columns and scores of the best k; places without a finite score are -1 and -inf.

    A NaN counts as -inf.
    """
    batch, width = scores.shape
    columns = np.full((batch, k), -1, dtype=np.int64)
    values = np.full((batch, k), -np.inf, dtype=np.float32)
    kept = min(k, width)
    if batch == 0 or kept == 0:
        return columns, values
    scores = scores.masked_fill(scores.isnan(), -torch.inf)
    top, at = scores.topk(kept, dim=1)
    # topk chooses freely among equals at its lower edge: those rows are sorted whole
    edge = top[:, -1:]
    is_open = ((scores >= edge).sum(dim=1) > kept) & (edge[:, 0] > -torch.inf)
    for row in torch.nonzero(is_open)[:, 0].tolist():
        whole = scores[row].sort(descending=True, stable=True)
        top[row], at[row] = whole.values[:kept], whole.indices[:kept]
    found, place = top.float().cpu().numpy(), at.cpu().numpy()
    # the last key sorts first: by score, then by column
    order = np.lexsort((place, -found), axis=1)
    found, place = np.take_along_axis(found, order, 1), np.take_along_axis(place, order, 1)
    columns[:, :kept] = np.where(np.isneginf(found), -1, place)
    values[:, :kept] = found
    return columns, values
