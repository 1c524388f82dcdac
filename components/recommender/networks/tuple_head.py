"""A small autoregressive head: given a state and the codes so far, scores of the next level's codes.

One state conditions all levels. A code's score is what the state says of it directly (state · its vector) plus
an MLP whose hidden layer adds the state to the codes of the prefix: level l has hidden = gelu(A_l state + sum of
B_l[code of level j], j < l). The direct part can begin at the vectors that the codes have as input; the MLP
begins at nothing, and learns what the prefix changes.

Shapes: N states, any leading shape `*`, level, code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from components.recommender.networks.fast_dropout import fast_dropout


class TupleHead(nn.Module):
    def __init__(self, num_codes: Sequence[int], dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.num_codes, self.dropout = num_codes, dropout
        self.from_state = nn.ModuleList(nn.Linear(dim, hidden) for _ in num_codes)
        self.from_prefix = nn.ParameterList(
            torch.randn(sum(num_codes[:level]), hidden) * 0.02 for level in range(len(num_codes))
        )
        self.to_codes = nn.ModuleList(nn.Linear(hidden, size) for size in num_codes)
        self.to_codes_directly = nn.ModuleList(nn.Linear(dim, size, bias=False) for size in num_codes)
        for layer in (*self.to_codes, *self.to_codes_directly):
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)

    @torch.no_grad()
    def begin_at(self, vectors: Sequence[Float[Tensor, "code dim"]]) -> None:
        """Let each level's codes begin with these vectors as their direct scores."""
        for layer, given in zip(self.to_codes_directly, vectors, strict=True):
            assert isinstance(layer, nn.Linear)
            layer.weight.copy_(given)

    def prefix(self, codes: Int[Tensor, "* level"], level: int) -> Float[Tensor, "* hidden"]:
        """What the codes of the levels before `level` add to its hidden layer."""
        # the tables of all levels before lie in one: each code counts from where its level begins
        offsets = torch.tensor([0, *self.num_codes], device=codes.device).cumsum(0)[:level]
        return self.from_prefix[level][codes[..., :level] + offsets].sum(dim=-2)

    def state(self, states: Float[Tensor, "* dim"], level: int) -> Float[Tensor, "* hidden"]:
        return self.from_state[level](states)

    def direct(self, states: Float[Tensor, "* dim"], level: int) -> Float[Tensor, "* code"]:
        """What a state says of the level's codes, whatever the prefix."""
        return self.to_codes_directly[level](states)

    def logits(self, hidden: Float[Tensor, "* hidden"], level: int) -> Float[Tensor, "* code"]:
        """What the MLP adds to `direct`, from the sum of `state` and `prefix`."""
        return self.to_codes[level](fast_dropout(F.gelu(hidden), self.dropout, self.training))

    def logits_of(
        self, hidden: Float[Tensor, "* hidden"], codes: Int[Tensor, "* width"], level: int
    ) -> Float[Tensor, "* width"]:
        """The same for some codes of the level, where they are few."""
        to_codes = self.to_codes[level]
        assert isinstance(to_codes, nn.Linear)
        activated = fast_dropout(F.gelu(hidden), self.dropout, self.training)
        weights = F.embedding(codes, to_codes.weight)
        if codes.dim() < hidden.dim():  # the same codes for many rows
            return torch.einsum("...nh,nwh->...nw", activated, weights) + to_codes.bias[codes]
        return (weights @ activated[..., None])[..., 0] + to_codes.bias[codes]
