"""A user's sequence from two sides: what the last cut knew, and what was pushed since, in any order of arrival.

The cut's row holds whole seconds and no event ids, so the sides are matched by second, item and type: an event
that is on both counts once. Genuine repeats (one user, item, type and second under several ids) are as many as
the side that knows more of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SECOND = 1_000_000  # in microseconds


@dataclass(frozen=True, kw_only=True)
class LiveEvent:
    """One event as it was pushed. Events of a user are ordered by moment, then item, then id."""

    event_id: str
    item_id: str
    event_type: str
    micros: int  # since 1970, UTC

    @property
    def order(self) -> tuple[int, str, str]:
        return self.micros, self.item_id, self.event_id

    @property
    def key(self) -> tuple[int, str, str]:
        return self.micros // SECOND, self.item_id, self.event_type


@dataclass(frozen=True, kw_only=True)
class CutSequence:
    """A user's row of the last cut; `num_events` counts those too that the row is too short for."""

    item_ids: Sequence[str] = ()
    event_types: Sequence[str] = ()
    times: Sequence[int] = ()  # epoch seconds
    num_events: int = 0

    def __len__(self) -> int:
        return len(self.item_ids)


def merged(cut: CutSequence, live: Sequence[LiveEvent], *, max_length: int) -> CutSequence:
    """Both sides as one sequence, oldest first, the last `max_length` of it.

    Equal to what `user_sequences` makes of the events of both sides. One thing is not known of an event that
    only the cut holds: where within its second it lies; it is taken for the second's beginning.
    """
    known, extra = _matched(cut, live)
    if cut.num_events > len(cut):  # what lies before a full row was cut off there, known or not
        extra = [event for event in extra if event.order > known[0].order] if known else []
    events = _merge_sorted(known, extra)[-max_length:]
    return CutSequence(
        item_ids=[event.item_id for event in events],
        event_types=[event.event_type for event in events],
        times=[event.micros // SECOND for event in events],
        num_events=cut.num_events + len(extra),
    )


def _matched(cut: CutSequence, live: Sequence[LiveEvent]) -> tuple[list[LiveEvent], list[LiveEvent]]:
    """The cut's events, with the moments of those that were pushed as well; and the pushed ones it lacks."""
    pushed: dict[tuple[int, str, str], list[LiveEvent]] = {}
    for event in sorted(live, key=lambda event: event.order):
        pushed.setdefault(event.key, []).append(event)
    known, at = [], 0
    for item_id, event_type, second in zip(cut.item_ids, cut.event_types, cut.times, strict=True):
        at = max(at, second * SECOND)
        found = LiveEvent(event_id="", item_id=item_id, event_type=event_type, micros=at)
        if same := pushed.get(found.key):
            found = same.pop(0)
            at = max(at, found.micros)
        known.append(found)
    extra = [event for events in pushed.values() for event in events]
    return known, sorted(extra, key=lambda event: event.order)


def _merge_sorted(known: list[LiveEvent], extra: list[LiveEvent]) -> list[LiveEvent]:
    """Both in order; the cut's own order is kept even where its moments are only known by the second."""
    events, at = [], 0
    for event in known:
        while at < len(extra) and extra[at].order < event.order:
            events.append(extra[at])
            at += 1
        events.append(event)
    return events + extra[at:]


def settled(cut: CutSequence, live: Sequence[LiveEvent], *, before: int) -> set[str]:
    """Ids of pushed events before `before` (microseconds) that the cut holds: they need not be kept twice."""
    held = Counter(zip(cut.times, cut.item_ids, cut.event_types, strict=True))
    asked = Counter(event.key for event in live)
    return {event.event_id for event in live if event.micros < before and held[event.key] >= asked[event.key]}
