"""The mean of losses where some targets count more than others."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def weighted_mean(losses: Float[Tensor, "T"], weights: Float[Tensor, "T"] | None) -> Float[Tensor, ""]:
    """Sum of weight x loss over the sum of weights; None: the plain mean.

    A target of weight 2 counts as two of weight 1, and only ratios of weights matter. As torch's own
    cross-entropy has it, the sum of weights is the batch's. At least one weight is above 0.
    """
    if weights is None:
        return losses.mean()
    return (losses * weights).sum() / weights.sum()
