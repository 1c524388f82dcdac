"""Item modalities in: any subset, each with a mask of what is missing, checked at the door.

A missing vector counts as absent, never as zeros that mean something: its place is filled with the
modality's mean (zero after standardizing) and a presence bit says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Vectors = Mapping[str, Float[np.ndarray, "item dim"]]
Present = Mapping[str, Bool[np.ndarray, "item"]]


class TokenizerInputError(ValueError):
    """Vectors, masks or edges that cannot be tokenized: names the modality, the row, and the fix."""


@dataclass(frozen=True, kw_only=True)
class Standard:
    """Mean and scale of one modality, over the items of the fit that have it."""

    mean: Float[Tensor, "dim"]
    scale: Float[Tensor, ""]  # brings the mean squared length of present vectors to 1


def check_modalities(vectors: Vectors, present: Present) -> int:
    """Refuse what does not fit together; return the number of items.

    Raises TokenizerInputError for no modality, masks that do not match, or a non-finite present value.
    """
    if not vectors or set(vectors) != set(present):
        raise TokenizerInputError(
            f"vectors hold {sorted(vectors)}, present holds {sorted(present)}: give at least one modality and "
            "a mask for each (all False where no item has it)"
        )
    num_items = len(next(iter(present.values())))
    for name in sorted(vectors):
        block, mask = vectors[name], present[name]
        if block.ndim != 2 or mask.shape != (num_items,) or len(block) != num_items or mask.dtype != np.bool_:
            raise TokenizerInputError(
                f"modality {name}: vectors {block.shape} and mask {mask.shape} {mask.dtype} do not describe "
                f"{num_items} items; give float [item, dim] and bool [item], rows in one order"
            )
        broken = np.flatnonzero(mask & ~np.isfinite(block).all(axis=1))
        if len(broken):
            raise TokenizerInputError(
                f"modality {name}: {len(broken)} of {num_items} vectors are not finite; first is row {broken[0]}. "
                "Mark them as missing in the mask, or encode those items again"
            )
    return num_items


def check_edges(
    edges: Int[np.ndarray, "2 edge"], num_items: int, num_users: int
) -> Int[np.ndarray, "2 distinct"]:
    """The distinct edges, by user then item. Raises TokenizerInputError where an index is out of range."""
    if edges.ndim != 2 or edges.shape[0] != 2 or not np.issubdtype(edges.dtype, np.integer):
        raise TokenizerInputError(
            f"edges are {edges.shape} {edges.dtype}; give int64 [2, edge], row 0 the user, row 1 the item"
        )
    for row, (name, limit) in enumerate((("user", num_users), ("item", num_items))):
        outside = np.flatnonzero((edges[row] < 0) | (edges[row] >= limit))
        if len(outside):
            raise TokenizerInputError(
                f"edge {outside[0]} names {name} {edges[row, outside[0]]}, but there are {limit} {name}s; "
                f"{len(outside)} edges in all. Number {name}s from 0 in the order of the call"
            )
    # one number a pair, so that one sort makes them distinct and orders them by user, then item
    keys = np.unique(edges[0].astype(np.int64) * max(num_items, 1) + edges[1])
    return np.stack([keys // max(num_items, 1), keys % max(num_items, 1)])


def fit_standards(vectors: Vectors, present: Present) -> dict[str, Standard]:
    """Mean and scale of each modality; one that no item has gets mean 0 and scale 1."""
    standards = {}
    for name in sorted(vectors):
        # in float64: squares of large vectors overflow float32
        rows = vectors[name][present[name]].astype(np.float64)
        mean = rows.mean(axis=0) if len(rows) else np.zeros(vectors[name].shape[1])
        spread = float(np.sqrt(((rows - mean) ** 2).sum(axis=1).mean())) if len(rows) else 0.0
        standards[name] = Standard(
            mean=torch.from_numpy(mean.astype(np.float32)),
            scale=torch.tensor(1 / spread if spread > 1e-8 else 1.0, dtype=torch.float32),
        )
    return standards


def standardize(
    vectors: Vectors, present: Present, standards: Mapping[str, Standard]
) -> tuple[Float[Tensor, "item dims"], Float[Tensor, "item modality"]]:
    """All modalities side by side in name order, zeros where missing, and the presence bits.

    Raises TokenizerInputError if the modalities or their widths are not those of the fit.
    """
    widths = {name: len(standard.mean) for name, standard in standards.items()}
    given = {name: block.shape[1] for name, block in vectors.items()}
    if widths != given:
        raise TokenizerInputError(
            f"the tokenizer was fitted on {dict(sorted(widths.items()))} (modality: dimension), these vectors are "
            f"{dict(sorted(given.items()))}; encode items with the encoders of the fit, absent ones all masked"
        )
    blocks, bits = [], []
    for name in sorted(standards):
        mask = torch.from_numpy(np.ascontiguousarray(present[name])).unsqueeze(1)
        block = torch.from_numpy(np.ascontiguousarray(vectors[name], dtype=np.float32))
        centred = (block - standards[name].mean) * standards[name].scale
        blocks.append(torch.where(mask, centred, torch.zeros(())))
        bits.append(mask.float())
    return torch.cat(blocks, dim=1), torch.cat(bits, dim=1)
