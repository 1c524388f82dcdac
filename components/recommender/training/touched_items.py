"""A step of a large catalogue: only the items that it touches are put together, scored and moved.

Those are the items of its histories, its targets and the negatives drawn for it: some thousands, of however many.
Their free vectors are stepped row by row, everything else as ever. Up to `WHOLE_BELOW` items a step puts the whole
catalogue together once, which is as fast there and what results so far were made with.

Shapes: B windows, P places, T targets, N touched items.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from components.recommender.networks.mixer_networks import Network, TouchedVectors
from components.recommender.training.rowwise_adamw import RowwiseAdamW
from components.recommender.training.training_config import WHOLE_BELOW
from components.recommender.training.windows import WindowBatch

ReadStates = Callable[[Tensor, Tensor, Tensor], Tensor]


class TouchedItems:
    """What a network's steps touch of its item vectors. The network is on its device already."""

    def __init__(self, network: Network, *, weight_decay: float) -> None:
        self.network, items = network, network.items
        self.rows = None if items.free is None else RowwiseAdamW(items.free, weight_decay=weight_decay)
        # place of an item among those of the step; what stands at any other item is of a step before
        self.place = torch.zeros(items.num_items, dtype=torch.long, device=network.trained.device)

    def loss(self, batch: WindowBatch, read_states: ReadStates) -> Tensor:
        """The network's loss on a batch, from the vectors of the items that it touches."""
        drawn = self.network.drawn_negatives()
        items = torch.cat([batch.items.flatten(), batch.targets, drawn]).unique()
        self.place[items] = torch.arange(len(items), device=items.device)
        free = None if self.rows is None else self.rows.take(items)
        vectors = self.network.items.of(items, free)
        states = read_states(vectors, self.place[batch.items], batch.times).flatten(0, 1)[batch.state_at]
        touched = TouchedVectors(
            wanted=vectors[self.place[batch.targets]], negatives=vectors[self.place[drawn]], drawn=drawn
        )
        return self.network.loss_among(states, touched, batch.targets, batch.weights)


def touched_items(network: Network, *, weight_decay: float) -> TouchedItems | None:
    """None where a step reads the whole catalogue: it is small, or the softmax runs over all of it."""
    if network.items.num_items < WHOLE_BELOW or network.reads_all_items:
        return None
    return TouchedItems(network, weight_decay=weight_decay)
