"""Bad rows for a batch on purpose, to see the quarantine at work. One of each kind, then around again.

Poisoned rows lie in no file: their `source_row` is negative, -1 for the first.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from components.data.batch import EVENT_COLUMNS, Batch
from components.data.event_ids import event_id
from components.data.moments import from_micros, to_micros
from components.data.timestamps import read_timestamps

# kind -> the reason code that the contracts give it
KINDS = {
    "no user": "missing_user",
    "unknown item": "unknown_item",
    "future": "future_timestamp",
    "no time zone": "naive_timestamp",
    "not a time": "bad_timestamp",
    "out of range": "bad_value",
    "infinite": "bad_value",
    "not a number": "bad_value",
    "contradiction": "conflicting_payload",
    "endless id": "bad_id",
    "NUL in id": "bad_id",
}


def poisoned(batch: Batch, *, seed: int, count: int, as_of: datetime) -> Batch:
    """The batch with `count` bad rows after its own, each a spoiled copy of one of its readable events.

    With a count of 0, or nothing readable, it is the batch itself.
    """
    if not count:
        return batch
    times = read_timestamps(batch.events["timestamp"])
    # a row whose own time cannot be read would be quarantined for that, whatever is planted in it
    readable = np.flatnonzero((times.moments <= from_micros(to_micros(as_of))).to_numpy())
    if not len(readable):
        return batch
    victims = np.random.default_rng(seed).choice(readable, size=count)
    kinds = list(KINDS)
    rows = [
        _spoiled(kinds[i % len(kinds)], batch, int(victim), times.moments, as_of) | {"source_row": -1 - i}
        for i, victim in enumerate(victims)
    ]
    bad = pd.DataFrame(rows, columns=[*EVENT_COLUMNS, "source_row"], dtype=object)
    events = pd.concat([batch.events.astype(object), bad], ignore_index=True)
    return replace(batch, events=events.astype({"source_row": "int64"}))


def _spoiled(kind: str, batch: Batch, victim: int, moments: pd.Series, as_of: datetime) -> dict[str, Any]:
    row = batch.events.iloc[victim][list(EVENT_COLUMNS)].to_dict()
    moment = moments.iloc[victim]
    changes: dict[str, dict[str, Any]] = {
        "no user": {"user_id": None},
        "unknown item": {"item_id": f"no-such-item-{row['item_id']}"},
        "future": {"timestamp": (as_of + timedelta(days=1)).isoformat()},
        "no time zone": {"timestamp": moment.tz_localize(None).isoformat()},
        "not a time": {"timestamp": "yesterday at noon"},
        "out of range": {"event_type": "rating", "value": 1e308},
        "infinite": {"value": float("inf")},
        "not a number": {"value": "NaN"},
        "contradiction": {"event_id": _id_of(row, batch, moment), "event_type": "contradiction"},
        "endless id": {"user_id": str(row["user_id"]) * 1000},
        "NUL in id": {"user_id": f"{row['user_id']}\x00"},
    }
    return {**row, "event_id": None, **changes[kind]}


def _id_of(row: dict[str, Any], batch: Batch, moment: pd.Timestamp) -> str:
    """The id under which the row is known: its own, or the one made of its key."""
    if not pd.isna(row["event_id"]):
        return str(row["event_id"])
    key = [to_micros(moment) if name == "timestamp" else str(row[name]) for name in batch.event_key]
    return event_id(batch.source, key, 0)
