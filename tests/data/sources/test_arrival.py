"""What had arrived by a moment, and which moment the data ends at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.moments import NaiveMoment
from components.data.sources.arrival import end_of_events, events_arrived, items_arrived

NOW = datetime(2020, 1, 1, tzinfo=UTC)


stamps = st.sampled_from([None, "soon", "2019-01-01", 1546300800, 1546300801, "2019-01-01T00:00:02Z"])


@settings(deadline=None, max_examples=50)
@given(st.lists(stamps, min_size=1), st.integers(-1, 4), st.integers(-1, 4))
def test_adjoining_slices_hand_over_every_row_once(values, first, second):
    """Unreadable and naive timestamps come with the first slice."""
    frame = pd.DataFrame({"timestamp": pd.Series(values, dtype=object), "source_row": range(len(values))})
    cuts = [None, *sorted(datetime.fromtimestamp(1546300800 + s, tz=UTC) for s in (first, second)), None]
    slices = [events_arrived(frame, since=a, until=b) for a, b in pairwise(cuts)]
    assert sorted(row for part in slices for row in part["source_row"]) == list(range(len(values)))
    assert all(part["source_row"].is_monotonic_increasing for part in slices)


def test_bounds_are_half_open_and_have_a_zone():
    frame = pd.DataFrame({"timestamp": [1546300800, 1546300801]})
    at = datetime(2019, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert events_arrived(frame, since=None, until=at)["timestamp"].tolist() == [1546300800]
    assert events_arrived(frame, since=at, until=None)["timestamp"].tolist() == [1546300801]
    with pytest.raises(NaiveMoment):
        events_arrived(frame, since=None, until=at.replace(tzinfo=None))


def test_items_arrive_with_the_time():
    frame = pd.DataFrame({"available_at": [1546300800, 1546300900, None]}, dtype=object)
    known = items_arrived(frame, until=datetime(2019, 1, 1, 0, 1, tzinfo=UTC))
    assert known["available_at"].tolist() == [1546300800, None]


def _end(*stamps: object) -> datetime:
    return end_of_events(pd.DataFrame({"timestamp": pd.Series(stamps, dtype=object)}), clock=NOW)


def test_the_end_is_the_whole_second_after_the_last_event():
    """01:02:03.5 ends at 01:02:04, and 01:02:03 sharp too: a slice up to the end holds the event."""
    for stamp in ("2019-01-01T01:02:03.5Z", "2019-01-01T01:02:03Z", "2019-01-01T02:02:03+01:00", 1546304523):
        end = _end(1546300800, stamp)
        assert end == datetime(2019, 1, 1, 1, 2, 4, tzinfo=UTC)
        frame = pd.DataFrame({"timestamp": pd.Series([stamp], dtype=object)})
        assert len(events_arrived(frame, since=None, until=end)) == 1


def test_events_of_tomorrow_and_unreadable_ones_do_not_move_it():
    assert _end("2019-01-01T00:00:00Z", "2020-01-02T00:00:00Z", "soon", "2019-06-01", None) == datetime(
        2019, 1, 1, 0, 0, 1, tzinfo=UTC
    )


@pytest.mark.parametrize("stamps", [(), ("soon", None), ("2019-06-01",), ("2020-01-02T00:00:00Z",)])
def test_without_a_readable_event_the_end_is_the_clock(stamps):
    assert _end(*stamps) == NOW


def test_an_event_of_this_moment_is_not_in_the_future():
    assert _end("2020-01-01T00:00:00Z") == NOW + timedelta(seconds=1)


def test_a_clock_has_a_zone():
    with pytest.raises(NaiveMoment, match="no time zone"):
        end_of_events(pd.DataFrame({"timestamp": [1546300800]}), clock=NOW.replace(tzinfo=None))
