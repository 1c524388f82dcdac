"""What a replay will ask and how it will judge: requests, histories, candidates and truth as arrays.

One global cut T. Weights are frozen there; what happened in [T, end) is the truth. In `rolling` mode every
group of a user's events in one second is one request, whose history is all that the user did in strictly
earlier seconds; in `batch` mode a user has one request, at T. Every arm is given exactly these arrays.
Shapes: I items, E events of the histories, R requests, U users, T relevant items over all requests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from components.artifact import digest_of
from components.evaluation.leakage import LeakageError, check_times
from components.evaluation.ranking import Relevant
from components.evaluation.request_groups import (
    Columns,
    Mode,
    Requests,
    Truth,
    choose_requests,
    columns_of,
    groups_of,
    truth_of,
)
from components.evaluation.timeline import Timeline, catalogue_of, count_training, timeline_of
from components.event_weights import event_weights_text, told_types

__all__ = [
    "EmptyWindow",
    "LeakageError",
    "Mode",
    "PlanCounts",
    "ReplayPlan",
    "plan_replay",
]


NOT_SEEN = np.iinfo(np.int64).max


class EmptyWindow(Exception):
    """The window holds no event: there is nothing to replay."""


@dataclass(frozen=True, kw_only=True)
class PlanCounts:
    """What the window held and what became of it. Nothing is dropped without being counted here."""

    window_events: int
    window_users: int
    users: int  # with at least one request
    requests: int
    positives: int  # relevant items over all requests
    uncovered_positives: int  # of these, items that are no candidates: no arm can hit them
    repeats_removed: int  # items of a group that the user already had (filter_seen)
    groups_without_history: int
    groups_without_positives: int
    groups_beyond_limit: int


@dataclass(frozen=True, kw_only=True)
class ReplayPlan:
    """Requests in the order (user, time); events of a user lie together, oldest first.

    Holds: every event in `items[start[r]:end[r]]` is of user `users[user[r]]` and earlier than
    `request_time[r]`; no item is twice in a request's truth; with `filter_seen` none is in its history.
    """

    catalogue: np.ndarray  # [I] item ids (str), sorted, so that position order is id order
    candidates: Bool[np.ndarray, "I"]  # items that were there at T
    items: Int[np.ndarray, "E"]  # position in catalogue
    times: Int[np.ndarray, "E"]  # epoch seconds
    start: Int[np.ndarray, "R"]
    end: Int[np.ndarray, "R"]
    user: Int[np.ndarray, "R"]  # position in users
    request_time: Int[np.ndarray, "R"]  # epoch seconds
    users: np.ndarray  # [U] user ids (str), sorted
    truth_offsets: Int[np.ndarray, "R_plus_1"]
    truth_items: Int[np.ndarray, "T"]
    truth_is_repeat: Bool[np.ndarray, "T"]  # the user had it before; never with `filter_seen`
    user_train_events: Int[np.ndarray, "U"]  # a user's events before T
    item_train_events: Int[np.ndarray, "I"]  # an item's events before T, of any user
    item_train_users: Int[np.ndarray, "I"]  # distinct users behind them
    num_train_users: int
    cut: datetime
    window_end: datetime
    mode: Mode
    filter_seen: bool
    counts: PlanCounts
    event_weights: str = ""  # of event types, as a line; those of weight 0 are in no truth

    def __len__(self) -> int:
        return len(self.start)

    @property
    def relevant(self) -> Relevant:
        return Relevant(offsets=self.truth_offsets, items=self.truth_items)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that the arms are asked and judged by."""
        content = hashlib.sha256()
        for name in (
            "items",
            "times",
            "start",
            "end",
            "user",
            "request_time",
            "truth_offsets",
            "truth_items",
        ):
            content.update(np.ascontiguousarray(getattr(self, name), dtype="<i8").tobytes())
        content.update(self.candidates.tobytes())
        weighted = {"event_weights": self.event_weights} if self.event_weights else {}
        return digest_of(
            weighted
            | {
                "arrays": content.hexdigest(),
                "catalogue": self.catalogue.tolist(),
                "users": self.users.tolist(),
                "cut": self.cut.isoformat(),
                "window_end": self.window_end.isoformat(),
                "mode": self.mode,
                "filter_seen": self.filter_seen,
                "counts": asdict(self.counts),
            }
        )

    def seen(
        self, lists: Int[np.ndarray, "R k"], requests: Int[np.ndarray, "R"] | None = None
    ) -> Bool[np.ndarray, "R k"]:
        """Whether an item of list r is in the history of request r. Negative places are not.

        `requests` says whose lists these are, where they are not of all of them.
        """
        user, end = (self.user, self.end) if requests is None else (self.user[requests], self.end[requests])
        owner = np.repeat(user, lists.shape[1])
        key = owner * len(self.catalogue) + np.maximum(lists, 0).ravel()
        first = _look_up(self._first_event, key)
        before = first.reshape(lists.shape) < end[:, None]
        return before & (lists >= 0)

    @cached_property
    def _first_event(self) -> tuple[np.ndarray, np.ndarray]:
        """Key user * I + item, sorted, and the position of the first such event."""
        owner = np.zeros(len(self.items), dtype=np.int64)
        owner[self.start] = self.user  # requests of a user share their start
        key = np.maximum.accumulate(owner) * len(self.catalogue) + self.items
        keys, first = np.unique(key, return_index=True)
        return keys, first


def plan_replay(
    train_events: pd.DataFrame,
    window_events: pd.DataFrame,
    items: pd.DataFrame,
    *,
    cut: datetime,
    end: datetime,
    mode: Mode = "rolling",
    filter_seen: bool = True,
    event_weights: Mapping[str, float] = MappingProxyType({}),
    max_groups_per_user: int = 60,
) -> ReplayPlan:
    """Plan a replay of the window [cut, end) for weights trained before `cut`.

    Events have `event_id`, `user_id`, `item_id`, `timestamp` (UTC); `items` has `item_id` and, if known,
    `available_at`. Candidates are the items with `available_at` at or before the cut; where it is unknown,
    those with an event before the cut. New users enter once they have history: a group without any is not
    asked for, but becomes history. `max_groups_per_user` keeps each user's earliest groups. By `event_weights` of
    event types (column `event_type`), events of weight 0 are history and no truth; other weights change nothing here:
    what is true counts once.

    Raises LeakageError when training reaches past the cut or the window leaves [cut, end), EmptyWindow when
    nothing happened in it, or nothing of some weight.
    """
    check_times(train_events, window_events, cut, end)
    _refuse_empty(window_events, cut, end)
    catalogue = catalogue_of(items, train_events, window_events)
    trained = count_training(train_events, catalogue)
    timeline = timeline_of(train_events, window_events, catalogue, event_weights)
    _refuse_context_alone(timeline, window_events, event_weights)
    groups = groups_of(timeline, cut=cut, mode=mode)
    truth = truth_of(timeline, groups, filter_seen=filter_seen)
    requests = choose_requests(timeline, groups, truth, max_per_user=max_groups_per_user)
    asked = columns_of(timeline, groups, truth, requests, mode=mode)
    candidates = _available(items, catalogue, trained.item_events, cut)
    return ReplayPlan(
        catalogue=catalogue,
        candidates=candidates,
        items=asked.items,
        times=asked.times,
        start=asked.start,
        end=asked.end,
        user=asked.user,
        request_time=asked.request_time,
        users=asked.users,
        truth_offsets=asked.truth_offsets,
        truth_items=asked.truth_items,
        truth_is_repeat=asked.truth_is_repeat,
        user_train_events=asked.user_train_events,
        item_train_events=trained.item_events,
        item_train_users=trained.item_users,
        num_train_users=trained.num_users,
        cut=cut,
        window_end=end,
        mode=mode,
        filter_seen=filter_seen,
        counts=_count(timeline, truth, requests, asked, candidates),
        event_weights=event_weights_text(event_weights),
    )


def _refuse_empty(window_events: pd.DataFrame, cut: datetime, end: datetime) -> None:
    if window_events.empty:
        raise EmptyWindow(
            f"no event in [{cut.isoformat()}, {end.isoformat()}); wait for events, or begin the window earlier "
            "(--train-cutoff of recloop retrain, --start of recloop replay)"
        )


def _refuse_context_alone(
    timeline: Timeline, window_events: pd.DataFrame, event_weights: Mapping[str, float]
) -> None:
    if not (timeline.in_window & timeline.may_be_truth).any():
        found = told_types(window_events["event_type"].value_counts().to_dict(), event_weights)
        raise EmptyWindow(
            f"every event of the window weighs 0: {found}. Give a type that occurs a weight above 0 (--event-weight)"
        )


def _count(
    timeline: Timeline, truth: Truth, requests: Requests, asked: Columns, candidates: Bool[np.ndarray, "I"]
) -> PlanCounts:
    return PlanCounts(
        window_events=int(timeline.in_window.sum()),
        window_users=len(timeline.users),
        users=len(asked.users),
        requests=len(requests.groups),
        positives=len(asked.truth_items),
        uncovered_positives=int((~candidates[asked.truth_items]).sum()),
        repeats_removed=truth.repeats_removed,
        groups_without_history=requests.without_history,
        groups_without_positives=requests.without_positives,
        groups_beyond_limit=requests.beyond_limit,
    )


def _available(
    items: pd.DataFrame, catalogue: np.ndarray, item_train_events: np.ndarray, cut: datetime
) -> Bool[np.ndarray, "I"]:
    available = item_train_events > 0
    if "available_at" in items:
        dated = items[items["available_at"].notna()]
        at = pd.Index(catalogue).get_indexer(dated["item_id"])
        available[at] = (dated["available_at"] <= cut).to_numpy(dtype=bool)
    return available


def _look_up(table: tuple[np.ndarray, np.ndarray], keys: np.ndarray) -> np.ndarray:
    """Value of each key, NOT_SEEN for a key that is not there."""
    known, values = table
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[at] == keys, values[at], NOT_SEEN)
