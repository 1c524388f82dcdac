"""What a replay will ask and how it will judge: requests, histories, candidates and truth as arrays.

One global cut T. Weights are frozen there; what happened in [T, end) is the truth. In `rolling` mode every
group of a user's events in one second is one request, whose history is all that the user did in strictly
earlier seconds; in `batch` mode a user has one request, at T. Every arm is given exactly these arrays.
Shapes: I items, E events of the histories, R requests, U users, T relevant items over all requests.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from components.artifact import digest_of
from components.evaluation.ranking import Relevant

Mode = Literal["rolling", "batch"]
NOT_SEEN = np.iinfo(np.int64).max


class LeakageError(Exception):
    """Something that the replay may use comes from after the cut."""


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
    truth_offsets: Int[np.ndarray, "R+1"]
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
        return digest_of(
            {
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
    max_groups_per_user: int = 60,
) -> ReplayPlan:
    """Plan a replay of the window [cut, end) for weights trained before `cut`.

    Events have `event_id`, `user_id`, `item_id`, `timestamp` (UTC); `items` has `item_id` and, if known,
    `available_at`. Candidates are the items with `available_at` at or before the cut; where it is unknown,
    those with an event before the cut. New users enter once they have history: a group without any is not
    asked for, but becomes history. `max_groups_per_user` keeps each user's earliest groups.

    Raises LeakageError when training reaches past the cut or the window leaves [cut, end), EmptyWindow when
    nothing happened in it.
    """
    _check_times(train_events, window_events, cut, end)
    if window_events.empty:
        raise EmptyWindow(
            f"no event in [{cut.isoformat()}, {end.isoformat()}); wait for events, or begin the window earlier "
            "(--train-cutoff of recloop retrain, --start of recloop replay)"
        )

    catalogue = np.unique(
        np.concatenate([f["item_id"].to_numpy(dtype=object) for f in (items, train_events, window_events)])
    )
    train_items = pd.Index(catalogue).get_indexer(train_events["item_id"])
    item_train_events = np.bincount(train_items, minlength=len(catalogue))
    train_users, train_user = np.unique(train_events["user_id"].to_numpy(dtype=object), return_inverse=True)
    pairs = np.unique(train_user.astype(np.int64) * len(catalogue) + train_items)
    item_train_users = np.bincount(pairs % len(catalogue), minlength=len(catalogue))

    # one sorted column of events of the users that the window knows
    window_users = np.unique(window_events["user_id"].to_numpy(dtype=object))
    known = train_events[train_events["user_id"].isin(window_users)]
    events = pd.concat([known, window_events])[["user_id", "timestamp", "item_id", "event_id"]]
    in_window = np.repeat([False, True], [len(known), len(window_events)])
    order = events.reset_index(drop=True).sort_values(["user_id", "timestamp", "item_id", "event_id"]).index
    events, in_window = events.iloc[order], in_window[order]
    user = pd.Index(window_users).get_indexer(events["user_id"])
    item = pd.Index(catalogue).get_indexer(events["item_id"])
    time = _epoch_seconds(events["timestamp"])

    # the first time a user met an item decides what is a repeat
    _, first, pair = np.unique(user * len(catalogue) + item, return_index=True, return_inverse=True)
    first_event = first[pair]

    # groups: a user's window events of one second (rolling), or all of them (batch)
    moment = time if mode == "rolling" else np.where(in_window, _seconds(cut), time)
    same = (user[1:] == user[:-1]) & (moment[1:] == moment[:-1])
    opens = np.concatenate([[True], ~same | (in_window[1:] != in_window[:-1])])
    group = np.cumsum(opens) - 1
    group_at = np.flatnonzero(opens)
    group_user = user[group_at]
    user_at = np.searchsorted(user, np.arange(len(window_users)))  # first event of the user
    history_end = group_at
    if mode == "rolling":  # a cut inside a second: what trained in that second is not strictly earlier
        second_at = np.flatnonzero(np.concatenate([[True], ~same]))
        history_end = second_at[np.searchsorted(second_at, group_at, side="right") - 1]

    # truth: an item once a group; with filter_seen only what the user did not have before the group
    relevant = in_window & (first_event >= history_end[group]) if filter_seen else in_window.copy()
    _, once = np.unique(group * np.int64(len(catalogue)) + item, return_index=True)
    distinct = np.zeros(len(user), dtype=bool)
    distinct[once] = True
    repeats = int((in_window & distinct & ~relevant).sum())
    relevant &= distinct
    positives = np.bincount(group[relevant], minlength=len(group_at))

    is_asked = in_window[group_at]
    has_history = history_end > user_at[group_user]
    scorable = is_asked & has_history & (positives > 0)
    upto = np.cumsum(scorable)
    user_opens = np.searchsorted(group_user, np.arange(len(window_users)))
    nth = upto - (upto - scorable)[user_opens][group_user]  # 1 for a user's first scorable group
    within = scorable & (nth <= max_groups_per_user)

    asked = np.flatnonzero(within)
    taken = relevant & within[group]
    truth_items = item[taken]
    users_left, request_user = np.unique(group_user[asked], return_inverse=True)
    candidates = _available(items, catalogue, item_train_events, cut)

    # keep only the events that some request reads
    is_read = np.isin(user, users_left)
    if mode == "batch":
        is_read &= ~in_window
    place: np.ndarray = np.cumsum(is_read) - is_read
    start: np.ndarray = place[user_at[group_user[asked]]]
    stop: np.ndarray = place[history_end[asked]]
    user_train = np.bincount(user[~in_window], minlength=len(window_users))[users_left]

    return ReplayPlan(
        catalogue=catalogue,
        candidates=candidates,
        items=item[is_read],
        times=time[is_read],
        start=start,
        end=stop,
        user=request_user,
        request_time=moment[group_at[asked]],
        users=window_users[users_left],
        truth_offsets=np.concatenate([[0], np.cumsum(positives[asked])]),
        truth_items=truth_items,
        truth_is_repeat=(first_event < history_end[group])[taken],
        user_train_events=user_train,
        item_train_events=item_train_events,
        item_train_users=item_train_users,
        num_train_users=len(train_users),
        cut=cut,
        window_end=end,
        mode=mode,
        filter_seen=filter_seen,
        counts=PlanCounts(
            window_events=len(window_events),
            window_users=len(window_users),
            users=len(users_left),
            requests=len(asked),
            positives=len(truth_items),
            uncovered_positives=int((~candidates[truth_items]).sum()),
            repeats_removed=repeats,
            groups_without_history=int((is_asked & ~has_history).sum()),
            groups_without_positives=int((is_asked & has_history & (positives == 0)).sum()),
            groups_beyond_limit=int((scorable & ~within).sum()),
        ),
    )


def check_train_end(name: str, train_end: datetime, cut: datetime) -> None:
    """Refuse an arm that was trained past the cut (`train_end` is exclusive). Raises LeakageError."""
    if train_end > cut:
        raise LeakageError(
            f"{name} was trained past the cut: on events up to {train_end.isoformat()}, and the window begins at "
            f"{cut.isoformat()}; it has seen the answers. Begin the window at "
            f"{train_end.isoformat()} or later (--train-cutoff of recloop retrain, --start of recloop replay)."
        )


def _check_times(train: pd.DataFrame, window: pd.DataFrame, cut: datetime, end: datetime) -> None:
    if cut >= end:
        raise LeakageError(
            f"the window [{cut.isoformat()}, {end.isoformat()}) is empty or turned round; end it later (--as-of of "
            "recloop retrain, --end of recloop replay)"
        )
    if (late := train["timestamp"] >= cut).any():
        raise _leak(
            "training", train[late], f"{late.sum()} of {len(train)} events are not before the cut {cut}"
        )
    outside = (window["timestamp"] < cut) | (window["timestamp"] >= end)
    if outside.any():
        raise _leak(
            "window", window[outside], f"{outside.sum()} of {len(window)} events lie outside [{cut}, {end})"
        )


def _leak(what: str, rows: pd.DataFrame, count: str) -> LeakageError:
    first = rows.iloc[0]
    return LeakageError(
        f"{what} events: {count}; the first is event {first['event_id']} of user {first['user_id']} at "
        f"{first['timestamp'].isoformat()}. Take both snapshots at the same cut."
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


def _epoch_seconds(timestamps: pd.Series) -> Int[np.ndarray, "E"]:
    return timestamps.dt.as_unit("s").astype("int64").to_numpy()


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp() // 1)
