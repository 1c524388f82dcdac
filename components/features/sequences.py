"""User sequences: what each user did before a cut, oldest first, one row per user per cut.

Time is half-open: a cut at T sees events with timestamp < T. The row is therefore stamped with the last
instant that it speaks for, T − 1 µs: Feast joins rows with `event_timestamp <=` the spine's, so a spine at
T − 1 µs finds this row and no later cut's, and the stamp is the moment from which the row was available,
whatever the age of the user's last event (a row stamped with that event would be missed by any
materialization that starts after it: late events would never be served).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

EVENT_ORDER = ["timestamp", "user_id", "item_id", "event_id"]  # as in replay: ties in time by these
SEQUENCE_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_ids", pa.list_(pa.string())),
        ("event_types", pa.list_(pa.string())),
        ("times", pa.list_(pa.int64())),  # epoch seconds
        ("num_events", pa.int64()),
        ("event_timestamp", pa.timestamp("us", tz="UTC")),
        ("created_timestamp", pa.timestamp("us", tz="UTC")),
    ]
)
SEQUENCE_COLUMNS = SEQUENCE_SCHEMA.names
LIST_COLUMNS = ["item_ids", "event_types", "times"]
ONE_MICROSECOND = timedelta(microseconds=1)
DEFAULT_MAX_LENGTH = 512


def last_instant(cutoff: datetime) -> pd.Timestamp:
    """The last microsecond before a cut: the stamp of its rows, and of the spine that asks for them.

    Raises ValueError for a moment without a time zone.
    """
    if cutoff.tzinfo is None:
        raise ValueError(
            f"{cutoff.isoformat()} has no time zone. Write it as UTC: {cutoff.isoformat()}+00:00"
        )
    return (pd.Timestamp(cutoff).tz_convert("UTC") - ONE_MICROSECOND).as_unit("us")


def user_sequences(
    events: pd.DataFrame,
    *,
    cutoff: datetime,
    max_length: int = DEFAULT_MAX_LENGTH,
    known_at: datetime | None = None,
) -> pd.DataFrame:
    """The last `max_length` events of every user before `cutoff`, oldest first, as SEQUENCE_COLUMNS.

    Columns: item_ids and event_types list[str], times list[int] epoch seconds, num_events all events of the
    user before the cut, event_timestamp the last microsecond before the cut, created_timestamp `known_at`:
    when the events were known (default: the cut); of two versions of one cut the later known one is kept.
    Rows ascend by user; users without an event before the cut have none.
    Events of one user in one second are ordered by item, then event id, so any order of rows gives the same.
    """
    stamp = last_instant(cutoff)
    known = pd.Timestamp(known_at or cutoff).tz_convert("UTC").as_unit("us")
    before = events.loc[events["timestamp"] <= stamp, [*EVENT_ORDER, "event_type"]]
    before = before.sort_values(["user_id", "timestamp", "item_id", "event_id"], kind="stable")

    users, first, count = np.unique(
        before["user_id"].to_numpy(dtype=object), return_index=True, return_counts=True
    )
    end = first + count
    # rows of a user stand together, oldest first: the last `max_length` of them end where the user's rows end
    start = end - np.minimum(count, max_length)
    times = before["timestamp"].dt.as_unit("s").astype("int64").to_numpy()
    return pd.DataFrame(
        {
            "user_id": users,
            "item_ids": _runs(before["item_id"].to_numpy(dtype=object), start, end),
            "event_types": _runs(before["event_type"].to_numpy(dtype=object), start, end),
            "times": _runs(times, start, end),
            "num_events": count.astype(np.int64),
            "event_timestamp": pd.Series(stamp, index=range(len(users)), dtype="datetime64[us, UTC]"),
            "created_timestamp": pd.Series(known, index=range(len(users)), dtype="datetime64[us, UTC]"),
        }
    )


def training_spine(user_ids: np.ndarray, cutoff: datetime) -> pd.DataFrame:
    """One row per user for one cut, as `training_rows` asks: user_id and the last instant before the cut."""
    stamp = last_instant(cutoff)
    return pd.DataFrame(
        {
            "user_id": np.asarray(user_ids, dtype=object),
            "event_timestamp": pd.Series(stamp, index=range(len(user_ids)), dtype="datetime64[us, UTC]"),
        }
    )


def sequence_table(sequences: pd.DataFrame) -> pa.Table:
    """The frame of `user_sequences` as arrow: what parquet and Feast get to see, times in microseconds."""
    return pa.Table.from_pandas(sequences[SEQUENCE_COLUMNS], schema=SEQUENCE_SCHEMA, preserve_index=False)


def sequence_frame(table: pa.Table) -> pd.DataFrame:
    """The frame again, lists as lists."""
    frame = table.drop_columns(LIST_COLUMNS).to_pandas()
    for name in LIST_COLUMNS:
        frame[name] = pd.Series(table[name].to_pylist(), dtype=object)
    return frame[SEQUENCE_COLUMNS]


def _runs(values: np.ndarray, start: np.ndarray, end: np.ndarray) -> pd.Series:
    """values[start:end] of every user, as a column of lists."""
    return pd.Series([values[a:b].tolist() for a, b in zip(start, end, strict=True)], dtype=object)
