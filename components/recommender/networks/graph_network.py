"""Items by the graph of who has what, and a history read as the user who has its items.

Sources: He et al. 2020 (LightGCN), arXiv:2002.02126; Sheng et al. 2024 (AlphaRec), arXiv:2407.05441, where a user
begins as the mean of its items' content. A user that is asked about later is not in the graph: its vector is made of
its history by a rule for users (`HistorySum`). In training a state has read the events before its target alone, so a
user is not told by the sum of its own items what it is asked for. (The graph does hold that pair, as published: it is
one of the many that an item's neighbours are summed from.)
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from components.recommender.networks.aligned_items import AlignedItems
from components.recommender.networks.history_sum import HistorySum
from components.recommender.networks.mixer_networks import DenseNetwork
from components.recommender.networks.propagated_content import PropagatedContent
from components.recommender.networks.propagated_items import PropagatedItems


@dataclass(frozen=True, kw_only=True)
class Graph:
    """How far items are propagated, and how a history is summed."""

    hops: int = 1  # of an item to its users and on to their items: two layers as published; 0 for none
    fading: float = 1.0  # of what an event counts for each that came after it

    def __post_init__(self) -> None:
        if self.hops < 0 or not 0 < self.fading <= 1:
            raise ValueError(
                f"hops {self.hops} is 0 or more, fading {self.fading} above 0 and at most 1, which forgets nothing"
            )


class GraphNetwork(DenseNetwork):
    """A dense network whose items are propagated and whose histories are summed."""

    items: PropagatedItems | PropagatedContent | AlignedItems
    mixer: HistorySum

    @property
    def reads_all_items(self) -> bool:
        """The neighbours of a step's items are all items before long."""
        return True

    def states(
        self,
        vectors: Float[Tensor, "item dim"],
        items: Int[Tensor, "B P_minus_1"],
        times: Int[Tensor, "B P_minus_1"],
    ) -> Float[Tensor, "B P dim"]:
        return self.mixer(self.items.in_history(vectors)[items], times)
