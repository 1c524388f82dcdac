"""Sequences see strictly earlier events, in one order, whatever the order of rows."""

from __future__ import annotations

import io
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.features.coded_events import EVENT_ORDER, code_events
from components.features.sequences import (
    SEQUENCE_SCHEMA,
    last_instant,
    sequence_frame,
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
    rows = sequence_frame(user_sequences(log, cutoff=at(5), max_length=2))
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
    assert user_sequences(log, cutoff=at(5))["item_ids"].to_pylist() == [["in"]]


@settings(max_examples=60, deadline=None)
@given(log=logs, cut=st.integers(0, 10), length=st.integers(1, 5), seed=st.integers(0, 9))
def test_the_order_of_rows_does_not_matter_and_nothing_late_is_seen(log, cut, length, seed):
    """Against a loop over users that says the same in plain words."""
    frame = events(*log)
    shuffled = frame.sample(frac=1, random_state=np.random.default_rng(seed))
    rows = sequence_frame(user_sequences(shuffled, cutoff=at(cut), max_length=length))

    ordered = sorted((user, t, item, f"e{i}") for i, (user, item, t) in enumerate(log) if t < cut)
    users = sorted({user for user, *_ in ordered})
    mine = {user: [(item, t) for u, t, item, _ in ordered if u == user] for user in users}
    assert rows["user_id"].tolist() == users
    assert rows["item_ids"].tolist() == [[item for item, _ in mine[u]][-length:] for u in users]
    assert rows["times"].tolist() == [[t for _, t in mine[u]][-length:] for u in users]
    assert rows["num_events"].tolist() == [len(mine[u]) for u in users]


def former_sequences(events: pd.DataFrame, cutoff: datetime, max_length: int) -> pa.Table:
    """As it was done before by frames and lists of objects, to the bytes of the file that it left."""
    stamp = last_instant(cutoff)
    before = events.loc[events["timestamp"] <= stamp, [*EVENT_ORDER, "event_type"]]
    before = before.sort_values(["user_id", "timestamp", "item_id", "event_id"], kind="stable")
    users, first, count = np.unique(
        before["user_id"].to_numpy(dtype=object), return_index=True, return_counts=True
    )
    end = first + count
    start = end - np.minimum(count, max_length)

    def runs(values: np.ndarray) -> pd.Series:
        return pd.Series([values[a:b].tolist() for a, b in zip(start, end, strict=True)], dtype=object)

    moment = pd.Timestamp(cutoff).tz_convert("UTC").as_unit("us")
    frame = pd.DataFrame(
        {
            "user_id": users,
            "item_ids": runs(before["item_id"].to_numpy(dtype=object)),
            "event_types": runs(before["event_type"].to_numpy(dtype=object)),
            "times": runs(before["timestamp"].dt.as_unit("s").astype("int64").to_numpy()),
            "num_events": count.astype(np.int64),
            "event_timestamp": pd.Series(stamp, index=range(len(users)), dtype="datetime64[us, UTC]"),
            "created_timestamp": pd.Series(moment, index=range(len(users)), dtype="datetime64[us, UTC]"),
        }
    )
    return pa.Table.from_pandas(frame, schema=SEQUENCE_SCHEMA.remove_metadata(), preserve_index=False)


def written(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("seed", range(6))
def test_the_bytes_are_those_of_the_former_way(seed: int):
    """Ties in time, before 1970 too; a user with a third of all events, an item with half; users after the cut alone;
    ids whose order differs by language; the same out of day tables with dictionaries of their own."""
    rng = np.random.default_rng(seed)
    number = int(rng.integers(1, 400))
    names = np.array(["é", "e", "Z", "z", "ß", "á", "𝒳", "￮", "user 1", ""], dtype=object)
    micros = rng.integers(-3, 6, number) * 700_000 + rng.integers(0, 2, number)
    frame = pd.DataFrame(
        {
            "event_id": [f"e{event}" for event in rng.permutation(number)],
            "user_id": np.where(rng.random(number) < 0.33, "big", rng.choice(names, number)),
            "item_id": np.where(rng.random(number) < 0.5, "popular", rng.choice(names, number)),
            "event_type": rng.choice(np.array(["view", "buy"], dtype=object), number),
            "timestamp": pd.to_datetime(micros, unit="us", utc=True).as_unit("us"),
        }
    )
    cut, length = at(2.1), int(rng.integers(1, 60))
    expected = former_sequences(frame, cut, length)
    ordered = frame.sort_values(EVENT_ORDER)
    days = [
        ordered[ordered["timestamp"].dt.floor("s") == day]
        for day in ordered["timestamp"].dt.floor("s").unique()
    ]
    for log in (frame, code_events(pa.Table.from_pandas(day) for day in days)):
        found = user_sequences(log, cutoff=cut, max_length=length)
        assert found.equals(expected)
        assert written(found) == written(expected)


def test_no_event_before_the_cut_gives_no_rows():
    rows = user_sequences(events(("a", "x", 7)), cutoff=at(5))
    assert len(rows) == 0
    assert rows.schema == SEQUENCE_SCHEMA


def test_the_spine_asks_for_the_last_instant_of_the_cut():
    spine = training_spine(np.array(["b", "a"], dtype=object), at(5))
    assert spine["user_id"].tolist() == ["b", "a"]
    assert (spine["event_timestamp"] == last_instant(at(5))).all()


def test_a_cut_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        user_sequences(events(("a", "x", 1)), cutoff=datetime(2000, 1, 1))
