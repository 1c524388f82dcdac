"""A share of the places for new items: one number that is added to the scores of what an arm was not trained on.

An item without a training event is scored by its codes alone and stands below items that training has pushed up, so
that hardly any list holds one. The number is just large enough for new items to take the places that are asked for in
the lists of the training users; whom they reach is still the model's to say. How many places may be left to the
events: as many as of the latest events went to what was new then.
Shapes: R requests, k places, w and n the best scores of trained and of new items, each best first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeGuard

import numpy as np
from jaxtyping import Bool, Float, Int

from components.recommender.arm import Arm, Histories
from components.recommender.codes.vocabulary import Vocabulary
from components.recommender.sequences import TrainingSequences

PLACES = 10  # of the lists that are counted
MOST_REQUESTS = 2_000  # users whose lists are counted: a share of .01 is then 200 places
LATEST = 0.1  # of the training events, by time: those that tell what share new items take


class CannotRaise(ValueError):
    """The arm scores no item that it was not trained on."""


@dataclass(frozen=True, kw_only=True)
class NewItemShare:
    """What is asked for."""

    share: float | None  # of all places; new items that have more by themselves keep it. None: as events went
    exclude_seen: bool = True  # as the lists will be asked for

    def __post_init__(self) -> None:
        if self.share is not None and not 0 < self.share < 1:
            raise ValueError(f"the share of new items is {self.share}; it lies between 0 and 1")


class RaisesNewItems(Arm, Protocol):
    """An arm that scores items without a training event, and can be told to score them higher."""

    vocabulary: Vocabulary
    new_item_offset: float  # added to their scores

    def raising_new_items(self, offset: float) -> RaisesNewItems: ...
    def as_if_new(self, chosen: Bool[np.ndarray, "item"]) -> RaisesNewItems: ...


def raises_new_items(arm: Arm) -> TypeGuard[RaisesNewItems]:
    """Whether it does; a dense arm without codes has no score for such an item."""
    return hasattr(arm, "raising_new_items") and bool(getattr(arm, "reads_codes", False))


def as_scored(arm: Arm) -> Arm:
    """The arm without what was added for new items."""
    return arm.raising_new_items(0.0) if raises_new_items(arm) else arm


def with_share(arm: Arm, sequences: TrainingSequences, asked: NewItemShare) -> Arm:
    """The arm, its new items raised until they take the share of places that is asked.

    `sequences` are what it was trained on. Where the arm knows as many items without an event there as were new among
    the latest events, those are counted in the lists of the users as they stand. Else the ones that were new then are
    counted too, taken as new again, in the lists as they stood before: the share is then reached once as many new items
    have come. Where there are none, or they have the share by themselves, the arm stays. Raises CannotRaise.
    """
    if not raises_new_items(arm):
        raise CannotRaise(f"{arm.name} cannot rank an item that it was not trained on by a raised score")
    share = expected_share(sequences) if asked.share is None else asked.share
    latest, item_ids = latest_of(sequences), arm.vocabulary.item_ids
    untrained = ~arm.vocabulary.is_trained
    recent = np.isin(item_ids, sequences.item_ids[latest.is_new])
    plain = arm.raising_new_items(0.0)
    is_new, upto = untrained, np.diff(sequences.offsets)
    if untrained.sum() < recent.sum():
        is_new, upto = untrained | recent, latest.events_before
        plain = arm.as_if_new(recent).raising_new_items(0.0)
    if not is_new.any() or not share:
        return arm
    asking = _histories(sequences, item_ids, upto)
    trained, new = (
        plain.recommend(asking, k=PLACES, candidates=part, exclude_seen=asked.exclude_seen).scores
        for part in (~is_new, is_new)
    )
    return arm.raising_new_items(least_offset(trained, new, share))


@dataclass(frozen=True, kw_only=True)
class Latest:
    """The LATEST events of a training."""

    is_new: Bool[np.ndarray, "item"]  # items with events, none of them earlier
    share: float  # of the events that are on these items
    events_before: Int[np.ndarray, "user"]  # each user's earlier events


def latest_of(sequences: TrainingSequences) -> Latest:
    """Nothing is new where no event is earlier than the others."""
    is_late = sequences.times >= np.quantile(sequences.times, 1 - LATEST)
    early = np.bincount(sequences.items[~is_late], minlength=sequences.num_items)
    late = np.bincount(sequences.items[is_late], minlength=sequences.num_items)
    is_new = (early == 0) & (late > 0) & (not is_late.all())
    return Latest(
        is_new=is_new,
        share=float(late[is_new].sum() / max(late.sum(), 1)),
        events_before=np.bincount(sequences.user_of_event()[~is_late], minlength=sequences.num_users),
    )


def expected_share(sequences: TrainingSequences) -> float:
    """Of the LATEST events, the share that went to items without an event before them."""
    return latest_of(sequences).share


def least_offset(trained: Float[np.ndarray, "R k"], new: Float[np.ndarray, "R k"], share: float) -> float:
    """The smallest number, 0 or more, that gives new items at least `share` of all R k places.

    Scores best first, -inf where there is no item. With j new items among k places the j-th best new one has passed
    the (k - j + 1)-th best trained one, so each (request, j) has a margin of its own at which it enters, and the
    offset lies behind the (share R k)-th smallest of them. Where too few new items exist for the share, all enter.
    """
    is_there = np.isfinite(new)
    margins = np.sort(trained[:, ::-1][is_there].astype(np.float64) - new[is_there])
    wanted = min(int(np.ceil(share * new.size)), len(margins))
    if not wanted or margins[wanted - 1] < 0:
        return 0.0
    last = margins[wanted - 1]
    # half-way to the next one, so that no tie decides who stands in a list
    above = margins[np.searchsorted(margins, last, side="right") :]
    return float((last + above[0]) / 2 if len(above) else last + 1.0)


def _histories(
    sequences: TrainingSequences, item_ids: np.ndarray, upto: Int[np.ndarray, "user"]
) -> Histories:
    """The first `upto` events of each training user who has any; of many users every so many-th."""
    users = np.flatnonzero(upto)
    users = users[:: max(1, -(-len(users) // MOST_REQUESTS))]
    place = {item: at for at, item in enumerate(item_ids)}
    row = np.array([place[item] for item in sequences.item_ids], dtype=np.int64)
    return Histories(
        catalogue=item_ids,
        items=row[sequences.items],
        times=sequences.times,
        start=sequences.offsets[:-1][users],
        end=sequences.offsets[:-1][users] + upto[users],
    )
