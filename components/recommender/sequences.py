"""What a recommender is trained on: every user's events in order, as columns over one item vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


class UnknownItem(Exception):
    """A sequence names an item that the vocabulary does not hold."""


class NothingToTrainOn(Exception):
    """Every event weighs 0: all of them are context, and none is a target."""


@dataclass(frozen=True, kw_only=True)
class TrainingSequences:
    """Users' events in columns; user u owns events `offsets[u]:offsets[u + 1]`, oldest first.

    The vocabulary may hold items without any event (cold items: they have codes, but nothing to learn from).
    """

    item_ids: np.ndarray  # [item] str, ascending, no duplicates
    items: Int[np.ndarray, "event"]  # int32, position in item_ids
    times: Int[np.ndarray, "event"]  # int64, epoch seconds, never falling within a user
    offsets: Int[np.ndarray, "user_plus_1"]
    weights: Float[np.ndarray, "event"] | None = None  # float32, of an event as a target; None: all alike
    types: Int[np.ndarray, "event"] | None = None  # position in type_names; None: they are not told apart
    type_names: tuple[str, ...] = ()  # event types, ascending

    @property
    def is_target(self) -> Bool[np.ndarray, "event"]:
        """Which events may be predicted: those of weight 0 are history alone."""
        if self.weights is None:
            return np.ones(len(self.items), dtype=bool)
        return self.weights > 0

    @property
    def num_items(self) -> int:
        return len(self.item_ids)

    @property
    def num_users(self) -> int:
        return len(self.offsets) - 1

    def user_of_event(self) -> Int[np.ndarray, "event"]:
        return np.repeat(np.arange(self.num_users), np.diff(self.offsets))

    @classmethod
    def from_lists(
        cls,
        items: Sequence[Sequence[str]],
        times: Sequence[Sequence[int]] | None = None,
        *,
        item_ids: Sequence[str] | np.ndarray | None = None,
        weights: Sequence[Sequence[float]] | None = None,
        types: Sequence[Sequence[str]] | None = None,
    ) -> TrainingSequences:
        """One list of item ids a user, oldest first, and as many epoch seconds.

        Without `times` the place in the list stands for the time. Without `item_ids` the vocabulary is what
        occurs. Users without events are left out. `weights` say how much each event counts as a target; only
        their ratios matter, so weights that are all equal are as good as none. `types` are the events' types, for a
        training that has an objective for each.

        Raises UnknownItem for an item outside `item_ids`; ValueError for lengths that differ, for times
        that fall and for weights that are negative or no numbers; NothingToTrainOn where every weight is 0.
        """
        if times is None:
            times = [range(len(one)) for one in items]
        if len(times) != len(items):
            raise ValueError(f"{len(items)} users have items, {len(times)} have times: pass one list each")
        for user, (one, when) in enumerate(zip(items, times, strict=True)):
            if len(one) != len(when):
                raise ValueError(f"user {user}: {len(one)} items but {len(when)} times")

        lengths = np.array([len(one) for one in items if len(one)], dtype=np.int64)
        flat = np.array([item for one in items for item in one], dtype=object)
        flat_times = np.array([moment for one in times for moment in one], dtype=np.int64)
        vocabulary = np.unique(flat if item_ids is None else np.asarray(item_ids, dtype=object))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

        falls = np.diff(flat_times, prepend=flat_times[:1]) < 0
        falls[offsets[:-1]] = False
        if falls.any():
            at = int(np.flatnonzero(falls)[0])
            raise ValueError(
                f"event {at} ({flat[at]}) is earlier than the one before it; sort each user's events by time"
            )
        type_names, flat_types = _told_apart(items, types)
        return cls(
            item_ids=vocabulary,
            items=_positions(flat, vocabulary).astype(np.int32),
            times=flat_times,
            offsets=offsets,
            weights=None if weights is None else _weights(items, weights),
            types=flat_types,
            type_names=type_names,
        )


def _weights(
    items: Sequence[Sequence[str]], weights: Sequence[Sequence[float]]
) -> Float[np.ndarray, "event"] | None:
    if [len(one) for one in weights] != [len(one) for one in items]:
        raise ValueError("weights and items differ in length: pass one weight an event")
    flat = np.array([weight for one in weights for weight in one], dtype=np.float32)
    if len(flat) and not (np.isfinite(flat).all() and flat.min() >= 0):
        raise ValueError("a weight is negative or no number; weights are finite, from 0 on")
    if len(flat) and flat.max() == 0:
        raise NothingToTrainOn(
            f"all {len(flat):,} events before the cut weigh 0, so none of them is a target. Give a type that occurs "
            "a weight above 0, with --event-weight"
        )
    return None if len(np.unique(flat)) <= 1 else flat


def _told_apart(
    items: Sequence[Sequence[str]], types: Sequence[Sequence[str]] | None
) -> tuple[tuple[str, ...], Int[np.ndarray, "event"] | None]:
    if types is None:
        return (), None
    if [len(one) for one in types] != [len(one) for one in items]:
        raise ValueError("types and items differ in length: pass one type an event")
    flat = np.array([name for one in types for name in one], dtype=object)
    names, place = np.unique(flat, return_inverse=True)
    return tuple(names.tolist()), place.astype(np.int64)


def _positions(flat: np.ndarray, vocabulary: np.ndarray) -> Int[np.ndarray, "event"]:
    place = {item: at for at, item in enumerate(vocabulary)}
    found = np.array([place.get(item, -1) for item in flat], dtype=np.int64)
    if (found < 0).any():
        at = int(np.flatnonzero(found < 0)[0])
        raise UnknownItem(
            f"event {at}: item {flat[at]!r} is not among the {len(vocabulary)} item_ids; "
            "--refit-tokenizer deals IDs to all items anew"
        )
    return found
