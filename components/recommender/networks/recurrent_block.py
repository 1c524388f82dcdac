"""One recurrent block, in place of attention: a gated recurrent unit over the places.

Source: Hidasi et al. 2016, arXiv:1511.06939, section 3: the unit (Cho et al. 2014, arXiv:1406.1078) reads one item
after the other. As published its state is the output; here it is added to what came in, through a layer that begins
at zero, with the norm before it.

Shapes: B histories, P places, d dim.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from components.recommender.networks.fast_dropout import fast_dropout
from components.recommender.networks.hstu_block import start_at_nothing


class RecurrentBlock(nn.Module):
    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout, self.norm = dropout, nn.LayerNorm(dim)
        self.unit, self.out = nn.GRU(dim, dim, batch_first=True), nn.Linear(dim, dim)
        start_at_nothing(self.out)

    def forward(
        self, x: Float[Tensor, "B P d"], user: Float[Tensor, "B P d"] | None, bias: Float[Tensor, "#B #h P P"]
    ) -> Float[Tensor, "B P d"]:
        """`user` and `bias` are for attention alone."""
        carried, _ = self.unit(self.norm(x))
        return x + self.out(fast_dropout(carried, self.dropout, self.training))
