"""The protocol: each user's last item is the test, the one before it the validation, the rest is training.

At test time the history holds the validation item too, and every item is ranked. Two readings: `fil` leaves
out what the user had before, `unf` leaves out nothing. One item is relevant, so NDCG@10 of a user is
1 / log2(1 + place) for a place within ten and 0 beyond it, and HR@10 is 1 or 0.

Source: the protocol of SASRec, Kang and McAuley 2018, arXiv:1808.09781, ranked in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from components.recommender.arm import Histories, Ranked
from components.recommender.sequences import TrainingSequences

PLACES = 10
_FEWEST = 3  # events of a user: one to train on, one to validate, one to test


class TooShort(ValueError):
    """No user has the three events that the protocol needs."""


@dataclass(frozen=True, kw_only=True)
class LeaveOneOut:
    """Users' events in columns; user u owns events `offsets[u]:offsets[u + 1]`, oldest first, at least three."""

    name: str
    user_ids: np.ndarray  # [user] str
    item_ids: np.ndarray  # [item] str, ascending: every item that occurs
    items: Int[np.ndarray, "event"]  # int32, position in item_ids
    times: Int[np.ndarray, "event"]  # epoch seconds, or the place in the sequence where there are none
    offsets: Int[np.ndarray, "user+1"]

    @property
    def num_users(self) -> int:
        return len(self.user_ids)

    @property
    def num_items(self) -> int:
        return len(self.item_ids)

    @property
    def test_items(self) -> Int[np.ndarray, "user"]:
        return self.items[self.offsets[1:] - 1]

    @property
    def validation_items(self) -> Int[np.ndarray, "user"]:
        return self.items[self.offsets[1:] - 2]

    def training(self) -> TrainingSequences:
        """Everything but the last two events of each user, over the whole vocabulary."""
        is_training = np.ones(len(self.items), dtype=bool)
        is_training[self.offsets[1:] - 1] = is_training[self.offsets[1:] - 2] = False
        return TrainingSequences(
            item_ids=self.item_ids,
            items=self.items[is_training],
            times=self.times[is_training],
            offsets=self.offsets - 2 * np.arange(self.num_users + 1),
        )

    def histories(self) -> Histories:
        """What is known of each user at the test: all but the last event."""
        return Histories(
            catalogue=self.item_ids,
            items=self.items,
            times=self.times,
            start=self.offsets[:-1],
            end=self.offsets[1:] - 1,
        )


def from_lists(
    name: str,
    user_ids: Sequence[str],
    items: Sequence[Sequence[str]],
    times: Sequence[Sequence[int]] | None = None,
) -> LeaveOneOut:
    """One list of item ids a user, oldest first, and as many epoch seconds; without them, the place.

    Users with fewer than three events are left out, and items that only they have. Raises TooShort if that
    leaves nobody.
    """
    kept = [at for at, one in enumerate(items) if len(one) >= _FEWEST]
    if not kept:
        raise TooShort(f"{name}: none of {len(items)} users has {_FEWEST} events; leave-one-out needs them")
    sequences = TrainingSequences.from_lists(
        [items[at] for at in kept], None if times is None else [times[at] for at in kept]
    )
    return LeaveOneOut(
        name=name,
        user_ids=np.array([user_ids[at] for at in kept], dtype=object),
        item_ids=sequences.item_ids,
        items=sequences.items,
        times=sequences.times,
        offsets=sequences.offsets,
    )


def places(ranked: Ranked, targets: Int[np.ndarray, "user"]) -> Int[np.ndarray, "user"]:
    """Place of each user's target from 1 (uint8), 0 where it is not among the first ten."""
    hit = ranked.items[:, :PLACES] == targets[:, None]
    return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, 0).astype(np.uint8)


def ndcg(place: Int[np.ndarray, "user"]) -> Float[np.ndarray, "user"]:
    """NDCG@10 of each user from the place of the one relevant item."""
    return np.where(place > 0, 1 / np.log2(1.0 + np.maximum(place, 1)), 0.0)


def hit_rate(place: Int[np.ndarray, "user"]) -> Float[np.ndarray, "user"]:
    return (place > 0).astype(float)
