"""One block of a state space model, in place of attention: a recurrence with a decay of its own at every place.

Source: Dao and Gu 2024, arXiv:2405.21060 (Mamba-2), in its dual form, a masked quadratic one: a head gives
y = (L * C B') (dt x) + D x, L_ij = exp(sum over j < k <= i of a dt_k), a < 0, behind a short causal convolution and
before a gate. It knows the time between events as TiM4Rec's does (Fan et al. 2024, arXiv:2409.16182), whose mask
depends on it: here a learned number for log2 of the seconds between two events is added to log L. Over windows of 50
events the quadratic form needs no scan.

Shapes: B histories, P places, h heads, d dim, c head dim, n state.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from components.recommender.networks.fast_dropout import fast_dropout
from components.recommender.networks.feed_forward import FeedForward
from components.recommender.networks.hstu_block import start_at_nothing

STATE = 32
CONVOLVED = 4  # places that the short convolution reads, its own counted


class StateSpaceBlock(nn.Module):
    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.dropout = num_heads, dropout
        self.norm, self.norm_mixed = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.read = nn.Linear(dim, 2 * dim + 2 * STATE + num_heads)
        mixed = dim + 2 * STATE
        self.convolution = nn.Conv1d(mixed, mixed, CONVOLVED, groups=mixed, padding=CONVOLVED - 1)
        self.log_decay = nn.Parameter(torch.zeros(num_heads))  # log of -a
        self.skip = nn.Parameter(torch.ones(num_heads, 1, 1))  # D
        self.out = nn.Linear(dim, dim)
        start_at_nothing(self.out)
        self.feed_forward = FeedForward(dim, dropout)

    def forward(
        self, x: Float[Tensor, "B P d"], user: Float[Tensor, "B P d"] | None, bias: Float[Tensor, "#B #h P P"]
    ) -> Float[Tensor, "B P d"]:
        """`bias` is added to log L, -inf ahead of the query; `user` is for relation attention alone."""
        dim = x.shape[2]
        gate, mixed, step = self.read(self.norm(x)).split([dim, dim + 2 * STATE, self.num_heads], dim=-1)
        # padded on both sides: what lies beyond the last place is cut off, so that no place reads ahead
        mixed = F.silu(self.convolution(mixed.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2))
        values, into, out_of = mixed.split([dim, STATE, STATE], dim=-1)
        y = self._recur(values, into, out_of, F.softplus(step), bias)
        y = self.norm_mixed(y * F.silu(gate))
        x = x + self.out(fast_dropout(y, self.dropout, self.training))
        return x + self.feed_forward(x)

    def _recur(
        self,
        values: Float[Tensor, "B P d"],
        into: Float[Tensor, "B P n"],
        out_of: Float[Tensor, "B P n"],
        step: Float[Tensor, "B P h"],
        bias: Float[Tensor, "#B #h P P"],
    ) -> Float[Tensor, "B P d"]:
        batch, places, dim = values.shape
        heads = values.view(batch, places, self.num_heads, -1).transpose(1, 2)
        step = step.transpose(1, 2)
        decayed = -self.log_decay.exp()[:, None] * step.cumsum(dim=2)
        # ahead of the query the difference is positive, and exp of it might overflow before it is masked
        log_mask = (decayed[..., :, None] - decayed[..., None, :]).clamp(max=0) + bias
        weights = log_mask.exp() * (out_of @ into.transpose(1, 2))[:, None]
        y = weights @ (step[..., None] * heads) + self.skip * heads
        return y.transpose(1, 2).reshape(batch, places, dim)
