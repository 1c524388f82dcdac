"""Events as one sorted column, and what training counted."""

from __future__ import annotations

from components.evaluation.timeline import catalogue_of, count_training, timeline_of
from tests.evaluation.worlds import events

TRAIN = events([("b", "y", -5.0), ("a", "x", -9.0), ("c", "x", -8.0), ("c", "x", -7.0)])
WINDOW = events([("a", "y", 3.0), ("a", "x", 4.0), ("b", "z", 1.0)])


def test_worked_example():
    """c is not in the window, so only a's and b's events remain: a has x before the cut, then y, then x again."""
    catalogue = catalogue_of(TRAIN, WINDOW)
    found = timeline_of(TRAIN, WINDOW, catalogue)
    assert catalogue.tolist() == ["x", "y", "z"]
    assert found.users.tolist() == ["a", "b"]
    assert (found.user.tolist(), found.item.tolist()) == ([0, 0, 0, 1, 1], [0, 1, 0, 1, 2])
    assert found.in_window.tolist() == [False, True, True, False, True]
    assert found.user_starts.tolist() == [0, 3]
    assert found.first_meeting.tolist() == [0, 1, 0, 3, 4]  # a's second x points back at the first
    assert found.user_train_events.tolist() == [1, 1]


def test_training_counts_events_and_distinct_users_of_everybody():
    """x: three events of a and c; y: one of b; z: none before the cut."""
    found = count_training(TRAIN, catalogue_of(TRAIN, WINDOW))
    assert found.item_events.tolist() == [3, 1, 0]
    assert found.item_users.tolist() == [2, 1, 0]
    assert found.num_users == 3
