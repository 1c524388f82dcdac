"""User sequences: what each user did before a cut, oldest first, one row per user per cut.

Time is half-open: a cut at T sees events with timestamp < T. The row is therefore stamped with the last
instant that it speaks for, T − 1 µs: Feast joins rows with `event_timestamp <=` the spine's, so a spine at
T − 1 µs finds this row and no later cut's, and the stamp is the moment from which the row was available,
whatever the age of the user's last event (a row stamped with that event would be missed by any
materialization that starts after it: late events would never be served).

All of it is columns: a list column is offsets over one array of values, never a list of lists.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.features.coded_events import CodedEvents, code_frame, ranks

_COLUMNS = pa.schema(
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
SEQUENCE_COLUMNS = _COLUMNS.names
LIST_COLUMNS = ["item_ids", "event_types", "times"]
ONE_MICROSECOND = timedelta(microseconds=1)
DEFAULT_MAX_LENGTH = 512


def _as_pandas_writes_it() -> pa.Schema:
    """With pandas' note on the columns, which tables of sequences have borne from the first: digests hold it."""
    frame = pd.DataFrame({name: pd.Series(dtype=object) for name in ("user_id", *LIST_COLUMNS)})
    moments = pd.Series(dtype="datetime64[us, UTC]")
    frame = frame.assign(
        num_events=pd.Series(dtype="int64"), event_timestamp=moments, created_timestamp=moments
    )
    schema: pa.Schema = pa.Table.from_pandas(frame, schema=_COLUMNS, preserve_index=False).schema
    return schema


SEQUENCE_SCHEMA = _as_pandas_writes_it()


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
    events: CodedEvents | pd.DataFrame,
    *,
    cutoff: datetime,
    max_length: int = DEFAULT_MAX_LENGTH,
    known_at: datetime | None = None,
) -> pa.Table:
    """The last `max_length` events of every user before `cutoff`, oldest first, as SEQUENCE_SCHEMA.

    Columns: item_ids and event_types list[str], times list[int] epoch seconds, num_events all events of the
    user before the cut, event_timestamp the last microsecond before the cut, created_timestamp `known_at`:
    when the events were known (default: the cut); of two versions of one cut the later known one is kept.
    Rows ascend by user; users without an event before the cut have none.
    Events of one user in one second are ordered by item, then event id, so any order of rows gives the same.

    Time grows with the number of events n as one sort of n numbers; memory by some 60 bytes an event and by the
    names of the items in the lists, whatever the number of users.
    """
    stamp = last_instant(cutoff)
    known = pd.Timestamp(known_at or cutoff).tz_convert("UTC").as_unit("us")
    coded = events if isinstance(events, CodedEvents) else code_frame(events)
    order, count, users = _by_user(coded, stamp.value // 1000)
    kept = np.minimum(count, max_length)
    if len(count) and kept.sum() < len(order):
        # rows of a user stand together, oldest first: the last `max_length` of them end where the user's rows end
        nth_from_end = np.repeat(np.cumsum(count), count) - np.arange(len(order))
        order = order[nth_from_end <= max_length]
    offsets = pa.array(np.concatenate([[0], np.cumsum(kept)]).astype(np.int32))
    columns = {
        "user_id": users,
        "item_ids": _lists(offsets, _taken(coded.item_names, coded.item[order])),
        "event_types": _lists(offsets, _taken(coded.kind_names, coded.kind[order])),
        "times": _lists(offsets, pa.array(coded.micros[order] // 1_000_000)),
        "num_events": pa.array(count),
        "event_timestamp": pa.repeat(pa.scalar(stamp, _COLUMNS.field("event_timestamp").type), len(count)),
        "created_timestamp": pa.repeat(
            pa.scalar(known, _COLUMNS.field("created_timestamp").type), len(count)
        ),
    }
    return pa.table(columns, schema=SEQUENCE_SCHEMA)


def _taken(names: pa.StringArray, codes: np.ndarray) -> pa.StringArray:
    """The name of each code. Raises ValueError beyond 2 GiB of text, where Arrow's own offsets wrap around unsaid."""
    size = pc.binary_length(names).to_numpy(zero_copy_only=False)[codes].sum(dtype=np.int64)
    if size >= 2**31:
        raise ValueError(
            f"the names of {len(codes):,} events in the sequences are {size:,} bytes, and one column holds "
            f"{2**31 - 1:,}. Give items shorter ids"
        )
    return names.take(pa.array(codes))


def _by_user(coded: CodedEvents, until: int) -> tuple[np.ndarray, np.ndarray, pa.StringArray]:
    """Events up to `until` (microseconds) by user, each one's in order; how many each user has; and the users.

    Users ascend, and are those with an event.
    """
    place = ranks(coded.user_names)
    before = np.flatnonzero(coded.micros <= until)
    user = place[coded.user[before]]
    # Events come in order of time, then item and event id, and stay so within each user: user and place of the event
    # are one number, and numbers are sorted in a quarter of the time that a stable sort of users takes.
    keys = (user.astype(np.int64) << 32) | before
    keys.sort()
    count = np.bincount(user, minlength=len(coded.user_names)).astype(np.int64)
    named = np.empty(len(place), dtype=np.int32)
    named[place] = np.arange(len(place), dtype=np.int32)
    with_events = np.flatnonzero(count)
    return keys & 0xFFFFFFFF, count[with_events], coded.user_names.take(pa.array(named[with_events]))


def training_spine(user_ids: np.ndarray, cutoff: datetime) -> pd.DataFrame:
    """One row per user for one cut, as `training_rows` asks: user_id and the last instant before the cut."""
    stamp = last_instant(cutoff)
    return pd.DataFrame(
        {
            "user_id": np.asarray(user_ids, dtype=object),
            "event_timestamp": pd.Series(stamp, index=range(len(user_ids)), dtype="datetime64[us, UTC]"),
        }
    )


def sequence_frame(table: pa.Table) -> pd.DataFrame:
    """The rows as a frame, lists as lists: for a few rows, since each value is an object then."""
    frame = table.drop_columns(LIST_COLUMNS).to_pandas()
    for name in LIST_COLUMNS:
        frame[name] = pd.Series(table[name].to_pylist(), dtype=object)
    return frame[SEQUENCE_COLUMNS]


def in_order(table: pa.Table) -> pa.Table:
    """Rows ascending by user and cut, in one piece: what they come in is not in a file's bytes."""
    users = table["user_id"].combine_chunks()
    if len(users) < 2 or pc.all(pc.less(users[:-1], users[1:])).as_py():
        return table.combine_chunks()
    return table.sort_by([("user_id", "ascending"), ("event_timestamp", "ascending")]).combine_chunks()


def _lists(offsets: pa.Array, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(offsets, values)
