"""One HSTU block, in place of attention and feed-forward: no softmax, gated by the place itself.

Source: Zhai et al. 2024, arXiv:2402.17152, section 3: U, V, Q, K = SiLU(linear(norm x)); A = SiLU(Q K' + bias) / n;
out = linear(U * norm(A V)) + x. n is the number of places the query sees, so that padding changes nothing; the
norm after it takes the scale out anyway.

Shapes: B histories, P places, h heads, d dim, c head dim.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from components.recommender.networks.fast_dropout import fast_dropout


class HSTUBlock(nn.Module):
    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads, self.dropout = num_heads, dropout
        self.norm, self.norm_mixed = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.uvqk, self.out = nn.Linear(dim, 4 * dim), nn.Linear(dim, dim)
        start_at_nothing(self.out)

    def forward(
        self, x: Float[Tensor, "B P d"], user: Float[Tensor, "B P d"] | None, bias: Float[Tensor, "#B #h P P"]
    ) -> Float[Tensor, "B P d"]:
        """`bias` is added to the scores, -inf ahead of the query; `user` is for relation attention alone."""
        batch, places, dim = x.shape
        heads = (batch, places, self.num_heads, dim // self.num_heads)
        gate, values, queries, keys = F.silu(self.uvqk(self.norm(x))).split(dim, dim=-1)
        q, k, v = (part.view(heads).transpose(1, 2) for part in (queries, keys, values))
        scores = q @ k.transpose(-1, -2) + bias.clamp(min=-1e4)  # silu(-1e4) is 0, of -inf it would be nan
        seen = torch.arange(1, places + 1, device=x.device)[:, None]
        # divided by what the query sees: without a softmax a sum would grow with the history
        mixed = (F.silu(scores) / seen) @ v
        mixed = self.norm_mixed(mixed.transpose(1, 2).reshape(batch, places, dim))
        return x + self.out(fast_dropout(gate * mixed, self.dropout, self.training))


def start_at_nothing(*layers: nn.Linear) -> None:
    """Zero what a residual branch adds at first, so that a state begins as the vector of its last item."""
    for layer in layers:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
