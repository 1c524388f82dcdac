"""The part of a block that looks at one place alone: norm, four times as wide, and back.

Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.3, with the norm before it and GELU.

Shapes: B histories, P places, d dim.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from components.recommender.networks.fast_dropout import fast_dropout
from components.recommender.networks.hstu_block import start_at_nothing


class FeedForward(nn.Module):
    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout, self.norm = dropout, nn.LayerNorm(dim)
        self.widen, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        start_at_nothing(self.narrow)

    def forward(self, x: Float[Tensor, "B P d"]) -> Float[Tensor, "B P d"]:
        """What is to be added to x."""
        hidden = fast_dropout(F.gelu(self.widen(self.norm(x))), self.dropout, self.training)
        return fast_dropout(self.narrow(hidden), self.dropout, self.training)
