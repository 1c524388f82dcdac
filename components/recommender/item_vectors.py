"""An item's input vector: the sum of its code embeddings (one table a level) and a free vector of its own.

Items that no training event names keep a free vector of zero, so they are what their codes say.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class ItemVectors(nn.Module):
    """All items' vectors at once, for reading histories and for dense scores.

    `codes` [item level]; with no levels only free vectors remain, with `free` off only codes.
    """

    rows: Int[Tensor, "item level"]  # of `tables`; one offset a level, so that levels share no word

    def __init__(
        self, codes: Int[Tensor, "item level"], num_codes: list[int], dim: int, *, free: bool = True
    ) -> None:
        super().__init__()
        offsets = torch.tensor([0, *num_codes]).cumsum(0)[:-1][: codes.shape[1]]
        self.register_buffer("rows", codes + offsets, persistent=False)
        self.tables = nn.Parameter(torch.randn(sum(num_codes), dim) * 0.02)
        start = torch.zeros if codes.shape[1] else lambda *shape: torch.randn(*shape) * 0.02
        self.free = nn.Parameter(start(len(codes), dim)) if free else None

    @property
    def num_items(self) -> int:
        return len(self.rows)

    def forward(self) -> Float[Tensor, "item dim"]:
        vectors = self.tables[self.rows].sum(dim=1)
        return vectors if self.free is None else vectors + self.free
