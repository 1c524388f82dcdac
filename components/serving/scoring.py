"""A batch of requests from features to lists: what the worker thread does, one version a request."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from components.features.store.live import UserState, feature_set_online, user_states
from components.features.store.opening import OpenStore
from components.serving.loaded import History, LoadedVersion
from components.serving.ranking import Place, Query, rank
from components.serving.refusals import RequestRefused, features_unreachable, stale_features

_LOG = logging.getLogger(__name__)
Source = Literal["online", "request", "none"]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request, pinned to the version that was serving when it came."""

    version: LoadedVersion
    query: Query
    user_id: str | None = None
    history: History | None = None  # None: the user's, from the online store
    refuse_stale: bool = False


@dataclass(frozen=True, kw_only=True)
class Features:
    """What a list was made from. Stale is what is older than accepted, or later than the clock."""

    source: Source
    history: History
    num_events: int
    as_of: datetime | None = None
    age: timedelta | None = None
    is_stale: bool = False
    feature_set: str | None = None


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An answered request."""

    ask: Ask
    places: tuple[Place, ...]
    features: Features


@dataclass(frozen=True, kw_only=True)
class FeatureReading:
    """Where features come from and when they are stale. Used from one thread: its store's connection is one."""

    store: OpenStore
    max_age: timedelta

    def of(self, asks: Sequence[Ask], *, now: datetime) -> list[Features | RequestRefused]:
        """The features behind each request, users read together; refused if the store cannot be read."""
        users = sorted({ask.user_id for ask in asks if ask.history is None and ask.user_id is not None})
        try:
            states = dict(zip(users, user_states(self.store, users), strict=True))
            feature_set = feature_set_online(self.store) or None if users else None
        except Exception as error:  # Feast's stores raise what their drivers raise
            _LOG.warning("the online store cannot be read: %s", error)
            return [
                _given(ask.history) if ask.history is not None else features_unreachable() for ask in asks
            ]
        return [
            _given(ask.history)
            if ask.history is not None
            else self._online(states[ask.user_id or ""], now=now, feature_set=feature_set)
            for ask in asks
        ]

    def _online(self, state: UserState, *, now: datetime, feature_set: str | None) -> Features:
        if state.known_until is None:
            return Features(source="none", history=History(), num_events=0)
        sequence, age = state.sequence(), now - state.known_until
        return Features(
            source="online",
            history=History(item_ids=sequence.item_ids, times=sequence.times),
            num_events=sequence.num_events,
            as_of=state.known_until,
            age=age,
            is_stale=age > self.max_age or age < timedelta(0),
            feature_set=feature_set,
        )


def _given(history: History) -> Features:
    return Features(source="request", history=history, num_events=len(history.item_ids))


def score(asks: Sequence[Ask], reading: FeatureReading, *, now: datetime) -> list[Listed | RequestRefused]:
    """A list for each request, or why it gets none."""
    features = reading.of(asks, now=now)
    answers: list[Listed | RequestRefused | None] = [None] * len(asks)
    by_version: dict[int, list[tuple[int, Features]]] = {}
    for at, (ask, found) in enumerate(zip(asks, features, strict=True)):
        if isinstance(found, RequestRefused):
            answers[at] = found
        elif found.is_stale and found.age is not None and ask.refuse_stale:
            answers[at] = stale_features(_hours(found.age), _hours(reading.max_age))
        else:
            by_version.setdefault(id(ask.version), []).append((at, found))
    for members in by_version.values():
        asked = [(found.history, asks[at].query) for at, found in members]
        lists = rank(asks[members[0][0]].version, asked)
        for (at, found), places in zip(members, lists, strict=True):
            answers[at] = Listed(ask=asks[at], places=places, features=found)
    return [answer for answer in answers if answer is not None]


def score_again(listed: Listed, other: LoadedVersion) -> Ask:
    """The same request for another version, from the same features."""
    return replace(listed.ask, version=other, history=listed.features.history, refuse_stale=False)


def _hours(age: timedelta) -> float:
    return age / timedelta(hours=1)
