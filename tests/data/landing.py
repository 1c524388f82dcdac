"""Small checked batches, as the contracts would hand them to ingestion."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import pandas as pd

from components.data.batch import EVENT_COLUMNS, ITEM_COLUMNS, QUARANTINE_COLUMNS, CheckedBatch

NOON = pd.Timestamp("2024-01-01T12:00:00Z")


def at(hours: float) -> datetime:
    return (NOON + pd.Timedelta(hours=hours)).to_pydatetime()


def event(
    event_id: str, *, user: str = "u1", item: str = "i1", hours: float = 0, value: float | None = 1.0
) -> dict[str, Any]:
    """One event, so many hours after noon of 2024-01-01."""
    timestamp = NOON + pd.Timedelta(hours=hours)
    named = {"event_id": event_id, "user_id": user, "item_id": item, "event_type": "rating"}
    return named | {"timestamp": timestamp, "value": value}


def item(item_id: str, title: str | None = None, *, available_hours: float | None = None) -> dict[str, Any]:
    row = dict.fromkeys(ITEM_COLUMNS) | {"item_id": item_id, "title": title}
    if available_hours is not None:
        row["available_at"] = NOON + pd.Timedelta(hours=available_hours)
    return row


def bad(reasons: str, *, kind: str = "event", payload: str = "{}", row: int | None = 0) -> dict[str, Any]:
    return {"kind": kind, "source_row": row, "payload": payload, "reasons": reasons}


def batch(
    *events: dict[str, Any],
    items: tuple[dict[str, Any], ...] = (),
    quarantined: tuple[dict[str, Any], ...] = (),
    source: str = "test",
    as_of_hours: float | None = None,
    since_hours: float | None = None,
) -> CheckedBatch:
    """The digest is that of the content, as it is of real batches."""
    event_frame = pd.DataFrame(events, columns=[*EVENT_COLUMNS, "source_row"])
    event_frame["timestamp"] = pd.to_datetime(event_frame["timestamp"], utc=True).dt.as_unit("us")
    item_frame = pd.DataFrame(items, columns=[*ITEM_COLUMNS, "source_row"])
    item_frame["available_at"] = pd.to_datetime(item_frame["available_at"], utc=True).dt.as_unit("us")
    return CheckedBatch(
        source=source,
        digest=hashlib.sha256(repr((events, items, quarantined)).encode()).hexdigest(),
        events=event_frame.assign(
            value=event_frame["value"].astype("float64"), source_row=range(len(events))
        ),
        items=item_frame.assign(source_row=range(len(items))),
        quarantined=pd.DataFrame(quarantined, columns=list(QUARANTINE_COLUMNS)),
        data_docs="",
        as_of=None if as_of_hours is None else at(as_of_hours),
        since=None if since_hours is None else at(since_hours),
    )
