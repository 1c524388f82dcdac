"""Sequences see strictly earlier events, in one order, whatever the order of rows."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.features.sequences import (
    last_instant,
    sequence_frame,
    sequence_table,
    training_spine,
    user_sequences,
)
from tests.features.rows import at, events

logs = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 9)), min_size=1, max_size=30
)


def test_worked_example():
    """Before second 5, a saw x at 1, then y and z both at 3 (by item id); the last two are y and z."""
    log = events(("a", "z", 3), ("a", "x", 1), ("b", "x", 4), ("a", "y", 3), ("a", "x", 5))
    rows = user_sequences(log, cutoff=at(5), max_length=2)
    assert rows["user_id"].tolist() == ["a", "b"]
    assert rows["item_ids"].tolist() == [["y", "z"], ["x"]]
    assert rows["times"].tolist() == [[3, 3], [4]]
    assert rows["num_events"].tolist() == [3, 1]
    assert rows["event_types"].tolist() == [["rating", "rating"], ["rating"]]
    assert (rows["event_timestamp"] == pd.Timestamp("1970-01-01T00:00:04.999999Z")).all()
    assert (rows["created_timestamp"] == pd.Timestamp(5, unit="s", tz="UTC")).all()
    assert str(rows["event_timestamp"].dtype) == "datetime64[us, UTC]"


def test_the_cut_is_exclusive_to_the_microsecond():
    log = events(("a", "in", 4.999999), ("a", "out", 5.0))
    assert user_sequences(log, cutoff=at(5))["item_ids"].tolist() == [["in"]]


@settings(max_examples=60, deadline=None)
@given(log=logs, cut=st.integers(0, 10), length=st.integers(1, 5), seed=st.integers(0, 9))
def test_the_order_of_rows_does_not_matter_and_nothing_late_is_seen(log, cut, length, seed):
    """Against a loop over users that says the same in plain words."""
    frame = events(*log)
    shuffled = frame.sample(frac=1, random_state=np.random.default_rng(seed))
    rows = user_sequences(shuffled, cutoff=at(cut), max_length=length)

    ordered = sorted((user, t, item, f"e{i}") for i, (user, item, t) in enumerate(log) if t < cut)
    users = sorted({user for user, *_ in ordered})
    mine = {user: [(item, t) for u, t, item, _ in ordered if u == user] for user in users}
    assert rows["user_id"].tolist() == users
    assert rows["item_ids"].tolist() == [[item for item, _ in mine[u]][-length:] for u in users]
    assert rows["times"].tolist() == [[t for _, t in mine[u]][-length:] for u in users]
    assert rows["num_events"].tolist() == [len(mine[u]) for u in users]


def test_arrow_and_back_keeps_every_value():
    rows = user_sequences(events(("a", "x", 1), ("b", "y", 2), ("a", "y", 3)), cutoff=at(9))
    pd.testing.assert_frame_equal(sequence_frame(sequence_table(rows)), rows)


def test_no_event_before_the_cut_gives_no_rows():
    rows = user_sequences(events(("a", "x", 7)), cutoff=at(5))
    assert len(rows) == 0
    assert sequence_table(rows).num_rows == 0


def test_the_spine_asks_for_the_last_instant_of_the_cut():
    spine = training_spine(np.array(["b", "a"], dtype=object), at(5))
    assert spine["user_id"].tolist() == ["b", "a"]
    assert (spine["event_timestamp"] == last_instant(at(5))).all()


def test_a_cut_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        user_sequences(events(("a", "x", 1)), cutoff=datetime(2000, 1, 1))
