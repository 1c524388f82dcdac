"""Groups of events that happen at once, what they are judged by, and which are asked for."""

from __future__ import annotations

import numpy as np

from components.evaluation.request_groups import (
    Groups,
    Mode,
    Truth,
    choose_requests,
    columns_of,
    groups_of,
    truth_of,
)
from components.evaluation.timeline import Timeline, catalogue_of, timeline_of
from tests.evaluation.worlds import CUT, events

# a: x, then y twice and z in one second, then x again; b: only y, which nobody knew of b before
ROWS = [("a", "x", -9.0), ("a", "y", 2.0), ("a", "y", 2.0), ("a", "z", 2.0), ("a", "x", 5.0), ("b", "y", 1.0)]


def grouped(mode: Mode = "rolling", *, filter_seen: bool = True) -> tuple[Timeline, Groups, Truth]:
    train, window = (events([r for r in ROWS if (r[2] < 0) is before]) for before in (True, False))
    timeline = timeline_of(train, window, catalogue_of(train, window))
    groups = groups_of(timeline, cut=CUT, mode=mode)
    return timeline, groups, truth_of(timeline, groups, filter_seen=filter_seen)


def test_rolling_groups_are_seconds_and_history_is_what_came_before():
    _, groups, _ = grouped()
    assert groups.first.tolist() == [0, 1, 4, 5]
    assert groups.history_end.tolist() == [0, 1, 4, 5]
    assert groups.in_window.tolist() == [False, True, True, True]
    assert (groups.time[1:] - int(CUT.timestamp())).tolist() == [2, 5, 1]


def test_batch_groups_are_a_users_whole_window_at_the_cut():
    _, groups, _ = grouped("batch")
    assert groups.first.tolist() == [0, 1, 5]
    assert set(groups.time[1:].tolist()) == {int(CUT.timestamp())}


def test_truth_counts_an_item_once_and_leaves_repeats_out():
    """y counts once of two; a's second x is a repeat: removed with the filter, counted without."""
    _, _, filtered = grouped()
    assert filtered.positives.tolist() == [0, 2, 0, 1]
    assert filtered.repeats_removed == 1
    _, _, whole = grouped(filter_seen=False)
    assert whole.positives.tolist() == [0, 2, 1, 1]
    assert whole.repeats_removed == 0


def test_who_is_asked_and_who_is_not_by_reason():
    """b has no history; a's x is a repeat alone; so one request is left, and none within a limit of 0."""
    timeline, groups, truth = grouped()
    found = choose_requests(timeline, groups, truth, max_per_user=60)
    assert found.groups.tolist() == [1]
    assert (found.without_history, found.without_positives, found.beyond_limit) == (1, 1, 0)
    assert choose_requests(timeline, groups, truth, max_per_user=0).beyond_limit == 1


def test_columns_hold_what_requests_read_and_nothing_else():
    timeline, groups, truth = grouped()
    requests = choose_requests(timeline, groups, truth, max_per_user=60)
    found = columns_of(timeline, groups, truth, requests, mode="rolling")
    assert found.users.tolist() == ["a"]  # b's event is gone
    assert (found.start.tolist(), found.end.tolist()) == ([0], [1])
    assert found.truth_items.tolist() == [1, 2]
    assert not found.truth_is_repeat.any()
    batch = grouped("batch")
    asked = choose_requests(*batch, max_per_user=60)
    assert columns_of(*batch, asked, mode="batch").items.tolist() == [0]  # no event of the window is history


def test_positives_of_all_groups_are_the_events_that_count():
    _, groups, truth = grouped()
    assert truth.positives.sum() == truth.counts.sum()
    assert (np.bincount(groups.of_event[truth.counts], minlength=len(groups)) == truth.positives).all()
