"""Event types and what they weigh, held against the events that there are."""

from __future__ import annotations

from collections import Counter

from components.artifact import ArtifactRef
from components.data import snapshot
from components.event_weights import UNSAID, read_event_weights, told_types
from components.preference import read_preference
from components.recommender.names import PREFERENCE_ARMS
from flows.local.console import warning_line
from flows.request import BadRequest, CycleRequest
from flows.snapshots import Snapshots
from flows.stages import say_in_prefect


class NothingWeighted(BadRequest):
    """Every event weighs 0: there is nothing to train on, or nothing to judge by."""


def check_weights(snapshots: Snapshots, event_weights: str, *, filter_seen: bool) -> None:
    """Warn of a type that no event is of, and of a filter that takes targets away that were met in passing.

    Raises NothingWeighted where no event before the cut, or none of the window, has a weight above 0. Reads nothing
    where no type is weighted.
    """
    weights = read_event_weights(event_weights)
    if not weights:
        return
    trained, judged = _counts(snapshots.train), _counts(snapshots.window)
    for where, found in (("before the cut", trained), ("in the replay window", judged)):
        if not any(weights.get(name, UNSAID) for name in found):
            raise NothingWeighted(
                f"every event {where} weighs 0: {told_types(found, weights)}. Give a type that occurs there a weight "
                "above 0, with --event-weight"
            )
    if unknown := [name for name in weights if name not in trained and name not in judged]:
        _warn(
            f"no event is of type {', '.join(map(repr, unknown))}, which has a weight. There are: "
            f"{told_types(trained + judged, weights)}"
        )
    if filter_seen and (context := [name for name in trained if weights.get(name) == 0]):
        _warn(
            f"{', '.join(context)} weighs 0, and seen items are filtered: an item that a user first met so is neither "
            "listed nor true later on. --keep-seen counts it"
        )


def check_preference(snapshots: Snapshots, request: CycleRequest) -> None:
    """Warn where an arm with an objective for each event type finds one type alone: it is SASRec then.

    Raises BadRequest for a preference over types that no training target is of. Reads nothing without such an arm.
    """
    preferring = sorted(PREFERENCE_ARMS & set(request.challengers))
    if not preferring:
        return
    aimed = targets_by_type(snapshots.train, request.event_weights)
    if unknown := [name for name in read_preference(request.preference) if name not in aimed]:
        raise BadRequest(
            f"preference names {', '.join(map(repr, unknown))}, and no training target is of that type. There are: "
            f"{told_types(aimed, {})}"
        )
    if len(aimed) == 1:
        _warn(
            f"all training targets are of type {next(iter(aimed))}: {', '.join(preferring)} has one objective, and is "
            "sasrec but for a constant"
        )


def targets_by_type(train: ArtifactRef, event_weights: str) -> dict[str, int]:
    """How many training events of each type may be targets; types of weight 0 are none.

    Raises Undecided for events that are still to be gathered.
    """
    assert train.digest  # what is still to be made decides nothing, and says so here
    weights = read_event_weights(event_weights)
    return {name: count for name, count in _counts(train).items() if weights.get(name, UNSAID)}


def _counts(ref: ArtifactRef) -> Counter[str]:
    counts: Counter[str] = Counter()
    for day in snapshot.event_days(ref, columns=["event_type"]):
        told = day["event_type"].value_counts().to_pylist()
        counts.update({each["values"]: each["counts"] for each in told})
    return counts


def _warn(told: str) -> None:
    warning_line(told)
    say_in_prefect(told)
