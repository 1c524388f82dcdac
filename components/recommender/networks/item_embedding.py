"""An item's input vector: the sum of its code embeddings (one table a level) and a free vector of its own.

Items that no training event names keep a free vector of zero, so they are what their codes say. With
`free_dropout` a share of the items is trained as if they had none, so that codes learn to stand alone
(DropoutNet, Volkovs et al. 2017).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class ItemEmbedding(nn.Module):
    """Item vectors, all at once or of some items, for reading histories and for dense scores.

    `codes` [item level], each within its table; with no levels only free vectors remain, with `free` off only codes.
    """

    rows: Int[Tensor, "item level"]  # of `tables`; one offset a level, so that levels share no word

    def __init__(
        self,
        codes: Int[Tensor, "item level"],
        num_codes: Sequence[int],
        dim: int,
        *,
        free: bool = True,
        free_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        sizes = torch.tensor(num_codes, dtype=torch.long)
        # a level's rows start after those of all levels before it
        self.register_buffer("rows", codes + sizes.cumsum(0) - sizes, persistent=False)
        self.num_codes, self.free_dropout = tuple(num_codes), free_dropout
        self.tables = nn.Parameter(torch.randn(int(sizes.sum()), dim) * 0.02)
        start = torch.zeros if codes.shape[1] else lambda *shape: torch.randn(*shape) * 0.02
        self.free = nn.Parameter(start(len(codes), dim)) if free else None

    @torch.no_grad()
    def begin_at(self, vectors: Float[Tensor, "item dim"]) -> None:
        """Start from these vectors: a code from the mean of its items' (what coarser codes left of them), the free
        vectors from the rest. Items whose vector is zero have no say, and no rest.
        """
        has_vector = vectors.abs().sum(dim=1) > 0
        rest = vectors[has_vector].to(self.tables)
        self.tables.zero_()
        for rows in self.rows[has_vector].T:
            sums = torch.zeros_like(self.tables).index_add_(0, rows, rest)
            counts = torch.bincount(rows, minlength=len(self.tables)).clamp(min=1)
            # a code that nobody carries stays at zero: its sum is, and it is divided by one
            means = sums / counts[:, None]
            self.tables.add_(means)
            rest = rest - means[rows]
        if self.free is not None:
            self.free.zero_()
            self.free[has_vector] = rest

    def code_vectors(self) -> tuple[Float[Tensor, "code dim"], ...]:
        """The vectors of each level's codes."""
        return self.tables.split(self.num_codes)

    @property
    def num_items(self) -> int:
        return len(self.rows)

    def forward(self) -> Float[Tensor, "item dim"]:
        if self.rows.shape[1] == 0 and self.free is not None:
            return self.free
        vectors = self.tables[self.rows].sum(dim=1)
        return vectors if self.free is None else self._with_free(vectors, self.free)

    def of(
        self, items: Int[Tensor, "some"], free: Float[Tensor, "some dim"] | None
    ) -> Float[Tensor, "some dim"]:
        """The vectors of some items, given their free vectors (None where there are none)."""
        if self.rows.shape[1] == 0 and free is not None:
            return free
        vectors = self.tables[self.rows[items]].sum(dim=1)
        return vectors if free is None else self._with_free(vectors, free)

    def _with_free(
        self, vectors: Float[Tensor, "some dim"], free: Float[Tensor, "some dim"]
    ) -> Float[Tensor, "some dim"]:
        if self.training and self.free_dropout:
            kept = torch.rand(len(vectors), 1, device=vectors.device) >= self.free_dropout
            return vectors + free * kept
        return vectors + free


def grown_free_vectors(
    weights: dict[str, Tensor], name: str, row_before: Int[np.ndarray, "item"]
) -> dict[str, Tensor]:
    """The weights with the free vectors `name`, if there are any, in new rows: zero for new items (-1)."""
    if name not in weights:
        return weights
    free = torch.cat([weights[name], weights[name].new_zeros(1, weights[name].shape[1])])
    return {**weights, name: free[torch.from_numpy(row_before)]}
