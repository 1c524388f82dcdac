"""When the warehouse came to know of something, by the clock of the data and not of the machine.

A batch has a now of its own, its `as_of`, and tells of a stretch of time, [since, as_of). Historic data is
taken in today, and its first batch tells of years at once. So what a batch tells of a stretch that no batch
had told of before counts as known when it happened. What a batch adds to a stretch that had been told of
already is late: it is known from that batch's `as_of` on, and in any case later than everything that had
been told by then. An event before its own batch's `since` is late too.

Hence: once a batch with `as_of` A has landed, no later batch changes what was known by A of what it told;
and slices of time give the same knowledge in whatever order they land. A batch without an `as_of` has no
place in this: what it holds counts as known when it happened.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select
from sqlalchemy.sql.elements import ColumnElement

from components.data.moments import to_micros
from components.data.schema import batches, events

_BEGINNING = -(2**63)


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """What a batch adds, seen from what had been told before it. Moments are microseconds."""

    since: int | None
    as_of: int | None
    told: tuple[tuple[int, int], ...]  # of earlier batches: disjoint [since, as_of), ascending
    clock: int | None  # the latest `as_of` that landed

    def of_event(self, occurred_at: int) -> int | None:
        """When an event is known; None: when it happened."""
        if self.as_of is None:
            return None
        before_its_batch = self.since is not None and occurred_at < self.since
        return self.late if before_its_batch or self.was_told(occurred_at) else None

    def of_statement(self) -> int | None:
        """When what the batch states of its items is known; None: not told, so from the beginning."""
        if self.as_of is None:
            return None
        return self.late if self.was_told(self.as_of - 1) else self.as_of

    def was_told(self, at: int) -> bool:
        """Whether an earlier batch had told of this moment."""
        place = bisect_right(self.told, at, key=lambda span: span[0])
        return place > 0 and at < self.told[place - 1][1]

    @property
    def late(self) -> int:
        """From when on a late event of this batch is known."""
        assert self.as_of is not None
        return self.as_of if self.clock is None else max(self.as_of, self.clock + 1)


def knowledge_of(connection: Connection, *, since: datetime | None, as_of: datetime | None) -> Knowledge:
    """Seen from the batches that have landed. Raises NaiveMoment for a moment without a zone."""
    landed = select(batches.c.since_at, batches.c.as_of).where(
        batches.c.state == "landed", batches.c.as_of.is_not(None)
    )
    spans = [
        (_BEGINNING if since_at is None else since_at, end) for since_at, end in connection.execute(landed)
    ]
    return Knowledge(
        since=None if since is None else to_micros(since),
        as_of=None if as_of is None else to_micros(as_of),
        told=_joined(spans),
        clock=max((end for _, end in spans), default=None),
    )


def known_by(moment: int) -> ColumnElement[bool]:
    """Condition for events that were known by a moment, if they had happened by then."""
    return or_(events.c.known_at.is_(None), events.c.known_at <= moment)


def _joined(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined)
