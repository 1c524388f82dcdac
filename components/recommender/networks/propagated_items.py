"""Item vectors that are propagated over who has what: the mean of an item's own and of what each hop brings.

Source: He et al. 2020 (LightGCN), arXiv:2002.02126, section 3.1: nothing but the own vectors is learned, and the layers
count alike. There a user has a vector of its own too; without one a user is what its items make it, and items have
layers 0, 2, 4 and so on.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.networks.item_graph import ItemGraph


class PropagatedItems(ItemEmbedding):
    """Item vectors without codes, all at once.

    While they are trained, `graph` is there. `settle` keeps what they have come to and lets go of the graph, so a
    trained arm ranks at the cost of any other, and neither it nor its files tell who had what.
    """

    settled: Float[Tensor, "item dim"]
    settled_share: Float[Tensor, "item 1"]

    def __init__(self, num_items: int, dim: int, *, hops: int) -> None:
        super().__init__(torch.zeros(num_items, 0, dtype=torch.long), (), dim)
        self.hops = hops
        self.graph: ItemGraph | None = None
        self.register_buffer("settled", torch.zeros(num_items, dim))
        self.register_buffer("settled_share", torch.ones(num_items, 1))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> PropagatedItems:
        if self.graph is not None:
            self.graph = self.graph.mapped(fn)  # goes where the weights go
        super()._apply(fn, recurse)
        return self

    def forward(self) -> Float[Tensor, "item dim"]:
        if self.graph is None:
            return self.settled
        assert self.free is not None
        layer: Tensor = self.free
        total = layer
        for _ in range(self.hops):
            layer = self.graph.hop(layer)
            total = total + layer
        return total / (self.hops + 1)

    @property
    def share(self) -> Float[Tensor, "item 1"]:
        """What an item counts in the sum of a history: less, the more have it."""
        return self.settled_share if self.graph is None else self.graph.share

    @torch.no_grad()
    def settle(self) -> None:
        """Keep the vectors as they are now, and rank by them from now on."""
        self.settled, self.settled_share = self.forward().clone(), self.share.clone()
        self.graph = None
