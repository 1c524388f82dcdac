"""Batches of sound rows, with what a test wants spoiled."""

from __future__ import annotations

import pandas as pd

from components.data.batch import EVENT_COLUMNS, ITEM_COLUMNS, Batch

SOUND = {
    "event_id": None,
    "user_id": "u1",
    "item_id": "i1",
    "event_type": "rating",
    "timestamp": "2019-06-01T12:00:00Z",
    "value": 4.0,
}


def events_of(changes) -> pd.DataFrame:
    """Sound events with these changes; seconds apart, so that no two share a key."""
    rows = []
    for second, change in enumerate(changes):
        stamp = f"2019-06-01T12:{second // 60:02d}:{second % 60:02d}Z"
        rows.append({**SOUND, "timestamp": stamp, **change, "source_row": 100 + second})
    return pd.DataFrame(rows, columns=[*EVENT_COLUMNS, "source_row"]).astype(object)


def items_of(changes) -> pd.DataFrame:
    rows = [
        {**dict.fromkeys(ITEM_COLUMNS), "item_id": f"i{n + 1}", "title": "t", **change, "source_row": n}
        for n, change in enumerate(changes)
    ]
    return pd.DataFrame(rows, columns=[*ITEM_COLUMNS, "source_row"]).astype(object)


def batch_of(event_changes, item_changes=({},)) -> Batch:
    return Batch(
        source="s",
        events=events_of(event_changes),
        items=items_of(item_changes),
        event_key=("user_id", "item_id", "timestamp"),
    )
