"""A share of the places for new items: one number that is added to the scores of what an arm was not trained on.

An item without a training event is scored by its codes or content alone and stands below items that training has pushed
up. The number is just large enough for new items to take the places that are asked for in the lists of the training
users; whom they reach is still the model's to say. How many places may be left to the events: as many as went to the
youngest items since these came.
Shapes: R requests, k places, w and n the best scores of trained and of new items, each best first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeGuard

import numpy as np
from jaxtyping import Bool, Float, Int

from components.recommender.arm import Arm, Histories, takes_content, takes_ids
from components.recommender.codes.vocabulary import Vocabulary
from components.recommender.decoding.candidates import vocabulary_rows
from components.recommender.sequences import TrainingSequences

PLACES = 10  # of the lists that are counted
MOST_REQUESTS = 2_000  # users whose lists are counted: a share of .01 is then 200 places
YOUNGEST = 0.1  # of the items with events, by their first one: they stand for those to come
_PROBE = 1.0  # an arm may search otherwise for items that it raises: they are counted as it will find them


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
    """Whether it does; a dense arm that reads neither codes nor content has no score for such an item."""
    return hasattr(arm, "raising_new_items") and (takes_ids(arm) or takes_content(arm))


def as_scored(arm: Arm) -> Arm:
    """The arm without what was added for new items."""
    return arm.raising_new_items(0.0) if raises_new_items(arm) else arm


def with_share(arm: Arm, sequences: TrainingSequences, asked: NewItemShare) -> Arm:
    """The arm, its new items raised until they take the share of places that is asked.

    `sequences` are what it was trained on. Where the arm knows as many items without an event there as a tenth of the
    others, those are counted in the lists of the users as they stand. Else the youngest tenth is counted too, taken as
    new again, in the lists as they stood before it came: the share is then reached once as many new items have come.
    Where there are none, or they have the share by themselves, the arm stays. Raises CannotRaise.
    """
    if not raises_new_items(arm):
        raise CannotRaise(f"{arm.name} cannot rank an item that it was not trained on by a raised score")
    young, item_ids = youngest_of(sequences), arm.vocabulary.item_ids
    share = young.share if asked.share is None else asked.share
    untrained = ~arm.vocabulary.is_trained
    recent = np.isin(item_ids, sequences.item_ids[young.is_new])
    raised = arm.raising_new_items(_PROBE)
    is_new, upto = untrained, np.diff(sequences.offsets)
    if untrained.sum() < recent.sum():
        is_new, upto = untrained | recent, young.events_before
        raised = arm.as_if_new(recent).raising_new_items(_PROBE)
    if not is_new.any() or not share:
        return arm
    asking = _histories(sequences, item_ids, upto)
    trained, new = (
        raised.recommend(asking, k=PLACES, candidates=part, exclude_seen=asked.exclude_seen).scores
        for part in (~is_new, is_new)
    )
    return arm.raising_new_items(least_offset(trained, new - _PROBE, share))


@dataclass(frozen=True, kw_only=True)
class Youngest:
    """The items that came last, and the events since the first of them."""

    is_new: Bool[np.ndarray, "item"]
    share: float  # of the events since then that are on these items
    events_before: Int[np.ndarray, "user"]  # each user's events before then


def youngest_of(sequences: TrainingSequences) -> Youngest:
    """Items by their first event; none is young where no event is earlier than theirs."""
    first = np.full(sequences.num_items, np.iinfo(np.int64).max)
    np.minimum.at(first, sequences.items, sequences.times)
    has_event = first < np.iinfo(np.int64).max
    begin = np.quantile(first[has_event], 1 - YOUNGEST, method="higher")
    is_late = sequences.times >= begin
    is_new = has_event & (first >= begin) & (not is_late.all())
    return Youngest(
        is_new=is_new,
        share=float(is_new[sequences.items[is_late]].mean()),
        events_before=np.bincount(sequences.user_of_event()[~is_late], minlength=sequences.num_users),
    )


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
    row = vocabulary_rows(sequences.item_ids, item_ids)
    return Histories(
        catalogue=item_ids,
        items=row[sequences.items],
        times=sequences.times,
        start=sequences.offsets[:-1][users],
        end=sequences.offsets[:-1][users] + upto[users],
    )
