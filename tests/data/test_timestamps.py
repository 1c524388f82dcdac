"""What counts as a moment, and what is not guessed into one."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.timestamps import read_timestamps

APRIL = pd.Timestamp("1998-04-01T00:00:00", tz="UTC")


@pytest.mark.parametrize(
    "written",
    [
        "1998-04-01T00:00:00Z",
        "1998-04-01 00:00:00 UTC",
        "1998-04-01T02:00:00+02:00",
        "1998-03-31T19:00:00.000-0500",
        "891388800",
        891388800,
        891388800.0,
        datetime(1998, 4, 1, tzinfo=UTC),
        APRIL,
    ],
)
def test_one_moment_in_many_spellings(written):
    read = read_timestamps(pd.Series([written], dtype=object))
    assert (read.form.tolist(), read.moments.tolist()) == (["moment"], [APRIL])


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("1998-04-01T00:00:00", "naive"),
        ("1998-04-01", "naive"),
        (datetime(1998, 4, 1), "naive"),
        (None, "missing"),
        (float("nan"), "missing"),
        (pd.NaT, "missing"),
        ("  ", "missing"),
        ("yesterday", "unreadable"),
        ("1998-13-01T00:00:00Z", "unreadable"),
        ("1998-04-01T25:61:00", "unreadable"),
        (1998, "unreadable"),
        (19980401, "unreadable"),
        ("891388800000", "unreadable"),
        (float("inf"), "unreadable"),
        (True, "unreadable"),
        ("\ud800", "unreadable"),
        ("1998-04-01T00:00:00Z\x00", "unreadable"),
        ("9" * 1_000_000, "unreadable"),
    ],
)
def test_what_is_no_moment(written, form):
    read = read_timestamps(pd.Series([written, "891388800"], dtype=object))
    assert read.form.tolist() == [form, "moment"]
    assert read.moments.isna().tolist() == [True, False]


def test_typed_columns_are_read_without_going_through_text():
    index = [7, 3]
    aware = pd.Series(pd.to_datetime([APRIL, None]), index=index)
    assert read_timestamps(aware).form.tolist() == ["moment", "missing"]
    assert read_timestamps(aware.dt.tz_localize(None)).form.tolist() == ["naive", "missing"]
    epoch = read_timestamps(pd.Series([891388800, 1998], index=index))
    assert epoch.form.to_dict() == {7: "moment", 3: "unreadable"}
    assert epoch.moments[7] == APRIL


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.datetimes())))
def test_never_raises_and_agrees_with_itself(values):
    """Whatever stands in the column: a moment exactly where the form says so."""
    read = read_timestamps(pd.Series(values, dtype=object))
    assert len(read.form) == len(values)
    assert (read.moments.notna() == (read.form == "moment")).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(min_value=10**8, max_value=4 * 10**9))
def test_epoch_and_iso_agree(seconds):
    iso = datetime.fromtimestamp(seconds, tz=UTC).isoformat()
    read = read_timestamps(pd.Series([seconds, str(seconds), iso], dtype=object))
    assert read.moments.nunique() == 1
    assert read.form.tolist() == ["moment"] * 3
