"""Posted events: kept for the next ingestion, then seen by the next list of their user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from components.data.event_ids import event_id
from components.faults import crash_point
from components.features.store.live import EventConflict, knows_event, push_event
from components.features.store.live_merge import LiveEvent
from components.features.store.opening import OpenStore
from components.serving.messages import PostedEvent
from components.serving.refusals import RequestRefused, bad_request
from components.serving.spool import EventSpool, SpooledEvent

SOURCE = "online"  # names the ids of events that were posted without one
_CLOCKS_DIFFER = timedelta(minutes=5)  # an event may lie this far ahead of the server's clock
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Taken:
    event_id: str
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Where events go. Used from one thread: its store's connection is one."""

    store: OpenStore
    spool: EventSpool

    def take(self, posted: Sequence[PostedEvent], *, now: datetime) -> list[Taken | BaseException]:
        """Each event: on disk, and in its user's sequence. One that is here already is not written again."""
        taken: list[Taken | BaseException] = []
        for event in posted:
            try:
                taken.append(self._take(event, now=now))
            except Exception as error:  # of this event; the others are taken all the same
                taken.append(error)
        return taken

    def _take(self, posted: PostedEvent, *, now: datetime) -> Taken:
        event = live_event(posted, now=now)
        try:
            if knows_event(self.store, posted.user_id, event):
                return Taken(event_id=event.event_id, is_new=False)
            # on disk first: what is online but not on disk would be lost with the next retraining
            self.spool.append(
                SpooledEvent(
                    event_id=event.event_id,
                    user_id=posted.user_id,
                    item_id=event.item_id,
                    event_type=event.event_type,
                    timestamp=posted.timestamp,
                    value=posted.value,
                ),
                arrived_at=now,
            )
            crash_point("event:on-disk")
            is_new = push_event(self.store, posted.user_id, event)
            crash_point("event:online")
            return Taken(event_id=event.event_id, is_new=is_new)
        except EventConflict as conflict:
            raise RequestRefused(409, "event_conflict", str(conflict)) from None


def live_event(posted: PostedEvent, *, now: datetime) -> LiveEvent:
    """The event as the online store keeps it. Raises RequestRefused for one of the future or before 1970."""
    if posted.timestamp > now + _CLOCKS_DIFFER:
        raise bad_request(
            f"timestamp: {posted.timestamp.isoformat()} is in the future; the server's clock says "
            f"{now.isoformat(timespec='seconds')}"
        )
    micros = (posted.timestamp - _BEGINNING) // timedelta(microseconds=1)
    if micros < 0:
        raise bad_request(f"timestamp: {posted.timestamp.isoformat()} lies before 1970")
    key = (posted.user_id, posted.item_id, posted.event_type, micros)
    return LiveEvent(
        event_id=posted.event_id or event_id(SOURCE, key, 0),
        item_id=posted.item_id,
        event_type=posted.event_type,
        micros=micros,
    )
