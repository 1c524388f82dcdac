"""Moments as whole microseconds: exact both ways, whatever the zone, and never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.moments import DAY_US, NaiveMoment, from_micros, to_micros


def test_by_hand():
    """One day and 5 µs after 1970; one second before it is negative; noon at +02:00 is 10 o'clock UTC."""
    assert to_micros(datetime(1970, 1, 2, 0, 0, 0, 5, tzinfo=UTC)) == DAY_US + 5
    assert to_micros(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)) == -1_000_000
    assert to_micros(datetime(1970, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))) == 10 * 3_600_000_000


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))])).filter(
    lambda moment: 1 < moment.year < 9999))  # fmt: skip
def test_there_and_back_is_the_same_moment(moment):
    back = from_micros(to_micros(moment))
    assert back == moment
    assert back.utcoffset() == timedelta(0)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(NaiveMoment, match=r"2020-01-01T00:00:00 has no time zone\. Write it as UTC"):
        to_micros(datetime(2020, 1, 1))
