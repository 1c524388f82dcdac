"""Ids that are the same whatever the order and the slicing of the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.contracts.typed import typed_events

KEY = ("user_id", "item_id", "timestamp")

rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["x", "y"]),
        st.sampled_from([891388800, 891388801, 891388802]),
        st.sampled_from([1.0, 2.0, None]),
    ),
    min_size=1,
    max_size=30,
)


def frame_of(values, event_ids=None) -> pd.DataFrame:
    frame = pd.DataFrame(values, columns=["user_id", "item_id", "timestamp", "value"]).astype(object)
    return frame.assign(event_id=event_ids, event_type="rating", source_row=np.arange(len(frame)))


def ids(values, event_ids=None) -> list[str | None]:
    typed = typed_events(frame_of(values, event_ids), source="s", event_key=KEY, known_items={"x", "y"})
    return typed["event_id"].astype(object).where(typed["event_id"].notna(), None).tolist()


def named(values) -> list[tuple]:
    return sorted(zip(ids(values), map(str, values), strict=True))


@settings(deadline=None, max_examples=50)
@given(rows, st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter(values, random):
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert named(values) == named(shuffled)


@settings(deadline=None, max_examples=50)
@given(rows, st.sampled_from([891388800, 891388801, 891388802]))
def test_slices_of_time_give_the_ids_of_the_whole(values, cut):
    before = [row for row in values if row[2] < cut]
    after = [row for row in values if row[2] >= cut]
    assert sorted(named(before) + named(after)) == named(values)


def test_genuine_repeats_survive_and_spellings_of_one_moment_are_one():
    twice = [("a", "x", 891388800, 1.0), ("a", "x", 891388800, 1.0)]
    assert len(set(ids(twice))) == 2
    assert ids([("a", "x", 891388800, 1.0)]) == ids([("a", "x", "1998-04-01T02:00:00+02:00", 1.0)])


def test_parts_do_not_run_into_each_other():
    assert ids([("a1", "x", 891388800, 1.0)]) != ids([("a", "1x", 891388800, 1.0)])


def test_given_ids_stand_and_a_broken_key_gets_none():
    values = [("a", "x", 891388800, 1.0), (None, "x", 891388800, 1.0), ("a", "x", "someday", 1.0)]
    assert ids(values, ["mine", None, None]) == ["mine", None, None]


def test_an_unsound_row_does_not_take_the_number_of_a_sound_one():
    sound = ("a", "x", 891388800, 3.0)
    unsound = [("a", "x", 891388800, float("inf")), ("a\x00", "x", 891388800, 3.0)]
    assert ids([*unsound, sound])[-1] == ids([sound])[0]
