"""Item vectors of their own, propagated over who has what, and beside them what a map makes of what items are.

Source: Ren et al. 2024 (RLMRec), arXiv:2310.15950: both are views of one item, and a contrastive loss
(`AlignedNetwork`) draws them together. A trained item is its own view, as published. One that nobody has, of which that
view says nothing, is what the map says, at the mean length of the others.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.content_vectors import ContentVectors
from components.recommender.networks.content_items import Content, ContentItems
from components.recommender.networks.propagated_items import Summed


class AlignedItems(Summed, ContentItems):
    """Item vectors, all at once.

    `settle` keeps what both views have come to and lets go of graph and content.
    """

    is_trained: Bool[Tensor, "item"]
    told: Bool[Tensor, "item"]  # those with content, once it is read
    settled: Float[Tensor, "item dim"]
    length: Float[Tensor, ""]  # of trained items' vectors, the mean

    def __init__(
        self, is_trained: Bool[Tensor, "item"], width: int, dim: int, how: Content, *, hops: int
    ) -> None:
        super().__init__(is_trained, width, dim, how)
        self.hops = hops
        self.register_buffer("is_trained", is_trained, persistent=False)
        self.register_buffer("told", torch.zeros(len(is_trained), dtype=torch.bool), persistent=False)
        self.register_buffer("settled", torch.zeros(len(is_trained), dim))
        self.register_buffer("settled_share", torch.ones(len(is_trained), 1))
        self.register_buffer("length", torch.zeros(()))

    def read(
        self,
        content: ContentVectors,
        is_trained: Bool[np.ndarray, "item"],
        before: ContentItems | None = None,
    ) -> None:
        super().read(content, is_trained, before)
        self.told = torch.from_numpy(content.is_known)

    def forward(self) -> Float[Tensor, "item dim"]:
        if self.graph is None:
            mapped = F.normalize(self.projected, dim=1) * self.length
            return torch.where(self.is_trained[:, None], self.settled, mapped)
        assert self.free is not None
        return self.propagated(self.free)

    @property
    def share(self) -> Float[Tensor, "item 1"]:
        """What an item counts in the sum of a history; 1 of one that nobody has."""
        return torch.where(self.is_trained[:, None], super().share, 1.0)

    def mapped(self, items: Int[Tensor, "some"]) -> Float[Tensor, "some dim"]:
        """What the map makes of what these items are, while they are trained."""
        assert self.content is not None
        return self.project(self.content[items])

    @torch.no_grad()
    def begin_at(self, vectors: Float[Tensor, "item dim"]) -> None:
        """Start own vectors at these, and the map near them."""
        super().begin_at(vectors)
        assert self.free is not None
        self.free.copy_(vectors)

    @torch.no_grad()
    def settle(self) -> None:
        """Keep the vectors as they are now, and rank by them from now on."""
        self.settled, self.settled_share = self.forward().clone(), self.share.clone()
        self.length = self.settled[self.is_trained].norm(dim=1).mean()
        super().settle()
        self.graph = None
