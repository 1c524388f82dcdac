"""Item vectors that are a learned function of what items are, propagated over who has what; compared by their cosine.

Source: Sheng et al. 2024 (AlphaRec), arXiv:2407.05441: frozen content vectors through one network, graph
convolution as in LightGCN, cosines over a temperature; no item has a vector of its own. An item that nobody has is what
its content says, at the same length as the others.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from components.recommender.networks.content_items import Content, ContentItems
from components.recommender.networks.propagated_items import Propagated


class PropagatedContent(Propagated, ContentItems):
    """Item vectors of length 1, all at once.

    `settle` keeps what content and graph have come to and lets go of both. What content alone has come to is kept
    beside it: an item that is taken as new has no neighbours.
    """

    is_trained: Bool[Tensor, "item"]
    settled: Float[Tensor, "item dim"]

    def __init__(
        self, is_trained: Bool[Tensor, "item"], width: int, dim: int, how: Content, *, hops: int
    ) -> None:
        super().__init__(is_trained, width, dim, how, free=False)
        self.hops = hops
        self.register_buffer("is_trained", is_trained, persistent=False)
        self.register_buffer("settled", torch.zeros(len(is_trained), dim))

    def forward(self) -> Float[Tensor, "item dim"]:
        if self.graph is None or self.content is None:
            return F.normalize(torch.where(self.is_trained[:, None], self.settled, self.projected), dim=1)
        return F.normalize(self.propagated(self.project(self.content)), dim=1)

    @torch.no_grad()
    def settle(self) -> None:
        """Keep the vectors as they are now, and rank by them from now on."""
        self.settled = self.forward().clone()
        super().settle()
        self.graph = None
