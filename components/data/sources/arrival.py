"""What of a source has arrived: the part of its rows between two moments.

Historic data is replayed by reading it in slices of time. Any run of adjoining slices, the first with
`since=None`, hands over every event once. A row whose time cannot be read has no place in time; it comes
with the first slice, so that it is quarantined once and not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd

from components.data.moments import from_micros, to_micros
from components.data.timestamps import MOMENT, read_timestamps


def events_arrived(events: pd.DataFrame, *, since: datetime | None, until: datetime | None) -> pd.DataFrame:
    """Events with since <= timestamp < until, in the order of the file.

    Raises NaiveMoment if a bound has no time zone.
    """
    return _between(events, "timestamp", since, until)


def items_arrived(items: pd.DataFrame, *, until: datetime | None) -> pd.DataFrame:
    """Items available before `until`, and those that do not say since when they are. The others wait.

    A catalogue is a state, so every slice carries all of it that is known by then.
    """
    return _between(items, "available_at", None, until)


def end_of_events(events: pd.DataFrame, *, clock: datetime) -> datetime:
    """The first whole second after the last readable event: "now", for data of any year.

    Never later than the second after `clock`, the moment that it is, since an event of tomorrow is in the future
    and not the data's end. Without any readable event up to then it is the clock: what is amiss is for the contracts
    to say. Raises NaiveMoment for a clock without a zone.
    """
    now = from_micros(to_micros(clock))
    if "timestamp" not in events:
        return now
    moments = read_timestamps(events["timestamp"]).moments
    past = moments[moments <= now]
    # events are read up to "now" exclusively, so it lies behind the last of them
    return now if past.empty else past.max().floor("s").to_pydatetime() + timedelta(seconds=1)


def moments_at(events: pd.DataFrame, quantiles: Sequence[float]) -> list[datetime]:
    """The moments, in whole seconds, before which these shares of the readable events lie; 1.0: all of them."""
    moments = read_timestamps(events["timestamp"]).moments.dropna().sort_values().reset_index(drop=True)
    last = moments.iloc[-1] + timedelta(seconds=1)
    return [
        (moments.iloc[int(len(moments) * q)] if q < 1 else last).floor("s").to_pydatetime() for q in quantiles
    ]


def _between(
    frame: pd.DataFrame, column: str, since: datetime | None, until: datetime | None
) -> pd.DataFrame:
    if since is None and until is None:
        return frame
    read = read_timestamps(frame[column], dated_back=column == "available_at")
    chosen = pd.Series(True, index=frame.index)
    if since is not None:
        chosen &= read.moments >= from_micros(to_micros(since))
    else:
        chosen |= read.form != MOMENT
    if until is not None:
        chosen &= (read.moments < from_micros(to_micros(until))) | (read.form != MOMENT)
    return frame if chosen.all() else frame[chosen].reset_index(drop=True)
