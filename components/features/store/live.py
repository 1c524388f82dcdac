"""Events of a minute ago: pushed one by one into the online store, read back as one sequence with the last cut.

Feast's online write replaces a user's row whatever its time. So pushed events have a row of their own, which is
read, extended and written back under a lock of the user, and materialization never touches it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from components.features.sequences import DEFAULT_MAX_LENGTH
from components.features.store import freshness
from components.features.store.feast_unchecked import PushMode
from components.features.store.live_merge import CutSequence, LiveEvent, merged, settled
from components.features.store.opening import OpenStore, apply_definitions, open_store
from components.features.store.retrieval import RECOMMENDER_SERVICE

PUSH_SOURCE, LIVE_SERVICE = "user_events", "recommender_live_v1"
LIVE_FEATURES = ("live_item_ids", "live_event_types", "live_micros", "live_event_ids")
_CUT_FEATURES = ("item_ids", "event_types", "times", "num_events", "cut_us")
_SETTLED_AFTER = timedelta(days=7)  # behind the cut; later repeats of one second are taken for the same event
_NUM_LOCKS = 256
KEYS_PER_READ = 1000  # SQLite binds each key as a variable


class EventConflict(Exception):
    """An event id that was pushed before with another content."""


@dataclass(frozen=True, kw_only=True)
class UserState:
    """What is online of one user. `known_until` None: nothing is."""

    user_id: str
    cut: CutSequence
    cut_us: int | None  # the stamp of the latest cut that the row speaks for
    live: tuple[LiveEvent, ...]

    @property
    def known_until(self) -> datetime | None:
        """The later of the cut and the newest pushed event."""
        moments = [event.micros for event in self.live] + ([] if self.cut_us is None else [self.cut_us])
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=max(moments)) if moments else None

    def sequence(self, *, max_length: int = DEFAULT_MAX_LENGTH) -> CutSequence:
        """All that is known, oldest first: what `user_sequences` would make of it."""
        return merged(self.cut, self.live, max_length=max_length)


def make_ready(store: OpenStore) -> str:
    """Define the view of pushed events where an older store has none; returns the feature set that is online."""
    services = {service.name: service for service in store.feast.list_feature_services()}
    feature_set = services[RECOMMENDER_SERVICE].tags.get("feature_set", "") if services else ""
    if LIVE_SERVICE not in services:
        apply_definitions(open_store(store.home), feature_set=feature_set)  # this one may be open online only
        store.feast.refresh_registry()
    return feature_set


def feature_set_online(store: OpenStore) -> str:
    """The feature set that the online rows stand for; "" where none was applied."""
    return store.feast.get_feature_service(LIVE_SERVICE, allow_cache=True).tags.get("feature_set", "")


def user_states(store: OpenStore, user_ids: Sequence[str]) -> list[UserState]:
    """What is online of these users, in their order."""
    if not user_ids:
        return []
    service = store.feast.get_feature_service(LIVE_SERVICE, allow_cache=True)
    states: list[UserState] = []
    for first in range(0, len(user_ids), KEYS_PER_READ):
        users = user_ids[first : first + KEYS_PER_READ]
        keys = [{"user_id": user} for user in (*users, freshness.KEY)]
        answer, _ = freshness.split(store.feast.get_online_features(service, keys).to_dict())
        rows = zip(*(answer[name] for name in (*_CUT_FEATURES, *LIVE_FEATURES)), strict=True)
        states += [_state(user, row) for user, row in zip(users, rows, strict=True)]
    return states


def push_event(
    store: OpenStore, user_id: str, event: LiveEvent, *, max_length: int = DEFAULT_MAX_LENGTH
) -> bool:
    """Add one event to what is online of its user; False if it was there already.

    Holds: any order of pushes and materializations, with any repeats, leaves the same sequence. Processes of
    one machine that share the store's folder take turns per user. Raises EventConflict.
    """
    with _lock_of(store.home, user_id):
        (state,) = user_states(store, [user_id])
        if _is_known(state, event):
            return False
        _write(store, user_id, _kept(state, event, max_length))
    return True


def knows_event(store: OpenStore, user_id: str, event: LiveEvent) -> bool:
    """Whether the event was pushed already. Raises EventConflict."""
    return _is_known(user_states(store, [user_id])[0], event)


def _is_known(state: UserState, event: LiveEvent) -> bool:
    known = next((known for known in state.live if known.event_id == event.event_id), None)
    if known is not None and known != event:
        raise EventConflict(
            f"event {event.event_id!r} came before with another item, type or time. Send the event under an id "
            "of its own."
        )
    return known is not None


def _kept(state: UserState, event: LiveEvent, max_length: int) -> list[LiveEvent]:
    live = [*state.live, event]
    horizon = (state.cut_us or 0) - _SETTLED_AFTER // timedelta(microseconds=1)
    done = settled(state.cut, live, before=horizon)
    return sorted((e for e in live if e.event_id not in done), key=lambda e: e.order)[-max_length:]


def _write(store: OpenStore, user_id: str, live: Sequence[LiveEvent]) -> None:
    newest = pd.Timestamp(live[-1].micros if live else 0, unit="us", tz="UTC")
    row = {
        "user_id": [user_id],
        "live_item_ids": [[event.item_id for event in live]],
        "live_event_types": [[event.event_type for event in live]],
        "live_micros": [[event.micros for event in live]],
        "live_event_ids": [[event.event_id for event in live]],
        "event_timestamp": [newest],
        "created_timestamp": [newest],
    }
    store.feast.push(PUSH_SOURCE, pd.DataFrame(row), to=PushMode.ONLINE)


def _state(user_id: str, row: tuple[Any, ...]) -> UserState:
    item_ids, event_types, times, num_events, cut_us, *live = row
    columns = [values or [] for values in live]
    return UserState(
        user_id=user_id,
        cut=CutSequence(
            item_ids=item_ids or (),
            event_types=event_types or (),
            times=times or (),
            num_events=num_events or 0,
        ),
        cut_us=cut_us,
        live=tuple(
            LiveEvent(event_id=event_id, item_id=item_id, event_type=event_type, micros=micros)
            for item_id, event_type, micros, event_id in zip(*columns, strict=True)
        ),
    )


@contextmanager
def _lock_of(home: Path, user_id: str) -> Iterator[None]:
    """One of a fixed number of files: few users share one, and the folder does not grow."""
    number = int(hashlib.sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()[:8], 16) % _NUM_LOCKS
    folder = home / "live_locks"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / f"{number:03d}"):
        yield
