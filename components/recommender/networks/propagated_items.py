"""Item vectors that are propagated over who has what: the mean of an item's own and of what each hop brings.

Source: He et al. 2020 (LightGCN), arXiv:2002.02126, section 3.1: nothing but the own vectors is learned, and the layers
count alike. There a user has a vector of its own too; without one a user is what its items make it, and items have
layers 0, 2, 4 and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.networks.item_graph import ItemGraph


class Propagated(nn.Module):
    """Of item vectors: what they are told of each other by `graph`, which is there while they are trained."""

    hops: int
    graph: ItemGraph | None = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        if self.graph is not None:
            self.graph = self.graph.mapped(fn)  # goes where the weights go
        super()._apply(fn, recurse)
        return self

    def propagated(self, layer: Float[Tensor, "item dim"]) -> Float[Tensor, "item dim"]:
        """The mean of these vectors and of what each hop makes of the last: of an item that nobody has, of zeros."""
        assert self.graph is not None
        total = layer
        for _ in range(self.hops):
            layer = self.graph.hop(layer)
            total = total + layer
        return total / (self.hops + 1)

    def in_history(self, vectors: Float[Tensor, "item dim"]) -> Float[Tensor, "item dim"]:
        """The vectors as they count in the sum of a history."""
        return vectors


class Summed(Propagated):
    """Of item vectors that a history sums, by the rule that makes a user of the graph."""

    settled_share: Float[Tensor, "item 1"]

    def in_history(self, vectors: Float[Tensor, "item dim"]) -> Float[Tensor, "item dim"]:
        return vectors * self.share

    @property
    def share(self) -> Float[Tensor, "item 1"]:
        """What an item counts in the sum of a history: less, the more have it."""
        return self.settled_share if self.graph is None else self.graph.share


class PropagatedItems(Summed, ItemEmbedding):
    """Item vectors without codes, all at once.

    `settle` keeps what they have come to and lets go of the graph, so a trained arm ranks at the cost of any other, and
    neither it nor its files tell who had what.
    """

    settled: Float[Tensor, "item dim"]

    def __init__(self, num_items: int, dim: int, *, hops: int) -> None:
        super().__init__(torch.zeros(num_items, 0, dtype=torch.long), (), dim)
        self.hops = hops
        self.register_buffer("settled", torch.zeros(num_items, dim))
        self.register_buffer("settled_share", torch.ones(num_items, 1))

    def forward(self) -> Float[Tensor, "item dim"]:
        if self.graph is None:
            return self.settled
        assert self.free is not None
        return self.propagated(self.free)

    @torch.no_grad()
    def settle(self) -> None:
        """Keep the vectors as they are now, and rank by them from now on."""
        self.settled, self.settled_share = self.forward().clone(), self.share.clone()
        self.graph = None
