"""A graph network whose items' vectors are drawn to what a map makes of what the items are: RLMRec's contrastive form.

Source: Ren et al. 2024, arXiv:2310.15950, the contrastive form (RLMRec-Con): InfoNCE between both views of an item over
all items, by cosines over a temperature, a small part of the loss. A user has no profile here: items alone are aligned.

Shapes: T targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from components.recommender.networks.aligned_items import AlignedItems
from components.recommender.networks.graph_network import GraphNetwork
from components.recommender.networks.history_sum import HistorySum


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How much both views of an item are drawn together."""

    weight: float = 0.01  # beside the loss of the next item
    temperature: float = 0.2  # of cosines

    def __post_init__(self) -> None:
        if self.weight < 0 or self.temperature <= 0:
            raise ValueError(
                f"alignment's weight {self.weight} is 0 or more, its temperature {self.temperature} above 0"
            )


class AlignedNetwork(GraphNetwork):
    """The targets' vectors are held against what the map makes of every trained item that has content."""

    items: AlignedItems

    def __init__(
        self,
        items: AlignedItems,
        mixer: HistorySum,
        trained: Int[Tensor, "trained"],
        *,
        alignment: Alignment,
        **against: Any,
    ) -> None:
        super().__init__(items, mixer, trained, **against)
        self.weight, self.temperature = alignment.weight, alignment.temperature

    def loss(
        self,
        states: Float[Tensor, "T dim"],
        vectors: Float[Tensor, "item dim"],
        targets: Int[Tensor, "T"],
        weights: Float[Tensor, "T"] | None = None,
    ) -> Float[Tensor, ""]:
        loss = super().loss(states, vectors, targets, weights)
        return loss + self.weight * self.alignment(vectors, targets, weights) if self.weight else loss

    def alignment(
        self,
        vectors: Float[Tensor, "item dim"],
        targets: Int[Tensor, "T"],
        weights: Float[Tensor, "T"] | None = None,
    ) -> Float[Tensor, ""]:
        """Mean over targets, weighted. One without content, or without a direction yet, counts as 0: so the parts of a
        batch, weighed by their targets, are the batch.
        """
        own = vectors[targets]
        counts = (self.items.told[targets] & own.detach().any(dim=1)).to(vectors.dtype)
        weights = torch.ones_like(counts) if weights is None else weights
        counts = counts * weights
        if not counts.any():
            return vectors.new_zeros(())
        others = self.trained[self.items.told[self.trained]]
        place = torch.searchsorted(others, targets).clamp(max=len(others) - 1)
        own, mapped = (
            F.normalize(own, dim=1) / self.temperature,
            F.normalize(self.items.mapped(others), dim=1),
        )
        return self.softmax_loss(own, mapped, place, counts) * (counts.sum() / weights.sum())
