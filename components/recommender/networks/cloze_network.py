"""A network that fills gaps: some items are hidden behind a mask, and read from both sides.

Source: Sun et al. 2019, arXiv:1904.06690, section 3: trained by the items behind the masks, asked with a mask behind
the last event. The output vector of an item is its input vector, without a bias of its own.

Items beyond the vocabulary stand for what is no item: `mask_row`, and `padding_row`, which nothing reads.

Shapes: B histories, P places (the start, then the items), T targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.networks.mixer import Mixer
from components.recommender.networks.mixer_networks import DenseNetwork


@dataclass(frozen=True, kw_only=True)
class Cloze:
    """What of a window is hidden."""

    share: float = 0.3  # of the targets, on average
    last_share: float = 0.1  # of the windows, where the last event alone is: what is asked for later

    def __post_init__(self) -> None:
        if not (0 < self.share <= 1 and 0 <= self.last_share <= 1):
            raise ValueError(
                f"share {self.share} and last_share {self.last_share} are shares; share is not 0"
            )


class ClozeNetwork(DenseNetwork):
    """A bidirectional mixer whose states at masks are scored against every trained item."""

    def __init__(
        self,
        items: ItemEmbedding,
        mixer: Mixer,
        trained: Int[Tensor, "trained"],
        *,
        cloze: Cloze,
        num_negatives: int = 0,
        calibration: float | None = None,
    ) -> None:
        super().__init__(items, mixer, trained, num_negatives=num_negatives, calibration=calibration)
        self.cloze = cloze
        self.mask = nn.Parameter(torch.randn(mixer.config.dim) * 0.02)

    @property
    def mask_row(self) -> int:
        return self.items.num_items

    @property
    def padding_row(self) -> int:
        return self.items.num_items + 1

    @property
    def reads_all_items(self) -> bool:
        """The rows beyond the vocabulary are looked up behind those of all items."""
        return True

    def states(
        self,
        vectors: Float[Tensor, "item dim"],
        items: Int[Tensor, "B P_minus_1"],
        times: Int[Tensor, "B P_minus_1"],
    ) -> Float[Tensor, "B P dim"]:
        rows = torch.cat([vectors, self.mask[None].to(vectors.dtype), torch.zeros_like(vectors[:1])])
        return self.mixer(rows[items], times, items == self.padding_row)

    def last_states(
        self,
        vectors: Float[Tensor, "item dim"],
        items: Int[Tensor, "B P_minus_1"],
        times: Int[Tensor, "B P_minus_1"],
        length: Int[Tensor, "B"],
    ) -> Float[Tensor, "B dim"]:
        """The states of masks that stand behind the first `length` events of each history."""
        at = torch.arange(items.shape[1] + 1, device=items.device)
        asked = F.pad(items, (0, 1)).masked_fill(at == length[:, None], self.mask_row)
        asked = asked.masked_fill(at > length[:, None], self.padding_row)
        states = self.states(vectors, asked, F.pad(times, (0, 1)))
        # the start stands before the items: the mask is one place further
        return states[torch.arange(len(length), device=length.device), length + 1]
