"""Groups of a user's events that happen at once, what each is judged by, and which of them become requests.

Shapes: E events of the timeline, G groups, R requests, H events of the histories, U users asked for, T relevant
items over all requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

from components.evaluation.timeline import Timeline

Mode = Literal["rolling", "batch"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Events of a user in one second (rolling), or all of a user's window events (batch).

    Training events have groups too: they are never asked for.
    """

    of_event: Int[np.ndarray, "E"]
    first: Int[np.ndarray, "G"]  # event
    user: Int[np.ndarray, "G"]
    time: Int[np.ndarray, "G"]  # epoch seconds; the cut in batch mode
    history_end: Int[np.ndarray, "G"]  # the user's events before this one are the group's history
    in_window: Bool[np.ndarray, "G"]

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """Which events a list is judged by: an item once a group, and with the filter only what is new to the user.

    Events of weight 0 are none of them.
    """

    counts: Bool[np.ndarray, "E"]
    positives: Int[np.ndarray, "G"]
    repeats_removed: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Requests:
    """The groups that are asked for, and how many were not, by reason."""

    groups: Int[np.ndarray, "R"]
    without_history: int
    without_positives: int
    beyond_limit: int


def groups_of(timeline: Timeline, *, cut: datetime, mode: Mode) -> Groups:
    user, time, in_window = timeline.user, timeline.time, timeline.in_window
    moment = time if mode == "rolling" else np.where(in_window, int(cut.timestamp() // 1), time)
    same = (user[1:] == user[:-1]) & (moment[1:] == moment[:-1])
    # a cut inside a second parts that second: what trained is no truth
    opens = np.concatenate([[True], ~same | (in_window[1:] != in_window[:-1])])
    first = np.flatnonzero(opens)
    history_end = first
    if mode == "rolling":
        # what trained in the second of the cut is not strictly earlier than the request, and no history of it
        second_at = np.flatnonzero(np.concatenate([[True], ~same]))
        history_end = second_at[np.searchsorted(second_at, first, side="right") - 1]
    return Groups(
        of_event=np.cumsum(opens) - 1,
        first=first,
        user=user[first],
        time=moment[first],
        history_end=history_end,
        in_window=in_window[first],
    )


def truth_of(timeline: Timeline, groups: Groups, *, filter_seen: bool) -> Truth:
    eligible = timeline.in_window & timeline.may_be_truth
    counts = eligible.copy()
    if filter_seen:
        # new to the user: met for the first time in this group, not in its history
        counts &= timeline.first_meeting >= groups.history_end[groups.of_event]
    # of an item that stands twice in a group the first event counts, of those that may
    able = np.flatnonzero(eligible)
    pair = groups.of_event[able] * np.int64(timeline.num_items) + timeline.item[able]
    _, once = np.unique(pair, return_index=True)
    distinct = np.zeros(len(timeline), dtype=bool)
    distinct[able[once]] = True
    repeats = int((distinct & ~counts).sum())
    counts &= distinct
    return Truth(
        counts=counts,
        positives=np.bincount(groups.of_event[counts], minlength=len(groups)),
        repeats_removed=repeats,
    )


def choose_requests(timeline: Timeline, groups: Groups, truth: Truth, *, max_per_user: int) -> Requests:
    """Groups of the window with a history and something to be judged by; of each user the earliest."""
    has_history = groups.history_end > timeline.user_starts[groups.user]
    has_positives = truth.positives > 0
    scorable = groups.in_window & has_history & has_positives
    # number a user's scorable groups from 1: the running total, less what it was where the user begins
    upto = np.cumsum(scorable)
    user_opens = np.searchsorted(groups.user, np.arange(len(timeline.users)))
    nth = upto - (upto - scorable)[user_opens][groups.user]
    within = scorable & (nth <= max_per_user)
    return Requests(
        groups=np.flatnonzero(within),
        without_history=int((groups.in_window & ~has_history).sum()),
        without_positives=int((groups.in_window & has_history & ~has_positives).sum()),
        beyond_limit=int((scorable & ~within).sum()),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """The requests as arrays, as a `ReplayPlan` holds them, and no event that none of them reads."""

    items: Int[np.ndarray, "H"]
    times: Int[np.ndarray, "H"]
    start: Int[np.ndarray, "R"]
    end: Int[np.ndarray, "R"]
    user: Int[np.ndarray, "R"]
    request_time: Int[np.ndarray, "R"]
    users: np.ndarray  # [U] ids
    user_train_events: Int[np.ndarray, "U"]
    truth_offsets: Int[np.ndarray, "R_plus_1"]
    truth_items: Int[np.ndarray, "T"]
    truth_is_repeat: Bool[np.ndarray, "T"]


def columns_of(
    timeline: Timeline, groups: Groups, truth: Truth, requests: Requests, *, mode: Mode
) -> Columns:
    asked = requests.groups
    is_asked = np.zeros(len(groups), dtype=bool)
    is_asked[asked] = True
    users, request_user = np.unique(groups.user[asked], return_inverse=True)
    is_read = np.isin(timeline.user, users)
    if mode == "batch":
        is_read &= ~timeline.in_window
    # where an event stands once those that nobody reads are gone
    place: np.ndarray = np.cumsum(is_read) - is_read
    start: np.ndarray = place[timeline.user_starts[groups.user[asked]]]
    end: np.ndarray = place[groups.history_end[asked]]
    counted = truth.counts & is_asked[groups.of_event]
    is_repeat = timeline.first_meeting < groups.history_end[groups.of_event]
    return Columns(
        items=timeline.item[is_read],
        times=timeline.time[is_read],
        start=start,
        end=end,
        user=request_user,
        request_time=groups.time[asked],
        users=timeline.users[users],
        user_train_events=timeline.user_train_events[users],
        truth_offsets=np.concatenate([[0], np.cumsum(truth.positives[asked])]),
        truth_items=timeline.item[counted],
        truth_is_repeat=is_repeat[counted],
    )
