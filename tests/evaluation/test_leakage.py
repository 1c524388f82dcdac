"""Whatever comes from after the cut is refused, by name."""

from __future__ import annotations

from datetime import timedelta

import pytest

from components.evaluation.leakage import LeakageError, check_times, check_train_end
from components.evaluation.plan import plan_replay
from tests.evaluation.worlds import CUT, END, events, items_of


def test_planted_leaks_are_caught():
    train, window = events([("a", "x", -9), ("a", "y", 0)]), events([("a", "z", 5)])
    with pytest.raises(LeakageError, match=r"training events: 1 of 2 .* user a"):
        plan_replay(train, window, items_of(train), cut=CUT, end=END)
    with pytest.raises(LeakageError, match="window events"):
        plan_replay(window.iloc[:0], events([("a", "z", -5)]), items_of(train), cut=CUT, end=END)
    with pytest.raises(LeakageError, match="window events"):
        plan_replay(window.iloc[:0], window, items_of(train), cut=CUT, end=CUT + timedelta(seconds=5))


def test_an_arm_may_be_trained_up_to_the_cut_and_no_further():
    check_train_end("new", CUT, CUT)  # exclusive: its last event was before
    with pytest.raises(LeakageError, match=r"new was trained past the cut.*--start of recloop replay"):
        check_train_end("new", CUT + timedelta(seconds=1), CUT)


def test_a_window_that_is_turned_round_says_how_to_turn_it():
    with pytest.raises(LeakageError, match="end it later"):
        check_times(events([]), events([]), CUT, CUT)
