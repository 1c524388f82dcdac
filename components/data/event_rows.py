"""Rows of `events`: as a checked batch gives them, and beside what the warehouse holds already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from components.data.columns import micros, nullable
from components.data.knowledge import Knowledge
from components.data.moments import from_micros
from components.data.schema import events
from components.data.warehouse import rows_where

CONFLICT = "conflicting_payload"


@dataclass(frozen=True, kw_only=True)
class SortedEvents:
    """What becomes of a batch's events."""

    fresh: list[dict[str, Any]]  # rows of `events` (all but the batch)
    conflicts: list[dict[str, Any]]  # rows of `quarantine`: another payload under a known id
    num_duplicates: int  # known id, same payload


def event_rows(frame: pd.DataFrame, knowledge: Knowledge) -> Iterator[dict[str, Any]]:
    """Rows of `events` (all but the batch), each with its `source_row`."""
    columns = (
        frame["event_id"],
        frame["user_id"],
        frame["item_id"],
        frame["event_type"],
        micros(frame["timestamp"]),
        nullable(frame["value"]),
        nullable(frame["source_row"]),
    )
    for event_id, user, item, kind, at, value, row in zip(*(c.tolist() for c in columns), strict=True):
        # lengths first, so that no two payloads are spelled alike; JSON takes four times as long
        payload = f"{len(user)}:{user}{len(item)}:{item}{len(kind)}:{kind}{at} {value}"
        yield {
            "event_id": event_id,
            "user_id": user,
            "item_id": item,
            "event_type": kind,
            "occurred_at": at,
            "value": value,
            "payload_hash": hashlib.sha256(payload.encode()).hexdigest(),
            "known_at": knowledge.of_event(at),
            "source_row": row,
        }


def sort_events(connection: Connection, rows: Iterable[dict[str, Any]]) -> SortedEvents:
    """Tell the events that are not known yet from repeats, and from those that contradict a known one."""
    rows = list(rows)
    ids = [row["event_id"] for row in rows]
    known = {row[0]: row[1] for row in rows_where(connection, events.c.event_id, ids, events.c.payload_hash)}
    fresh: list[dict[str, Any]] = []
    conflicts: list[dict[str, Any]] = []
    for row in rows:
        source_row = row.pop("source_row")
        held = known.get(row["event_id"])
        if held is None:
            known[row["event_id"]] = row["payload_hash"]
            fresh.append(row)
        elif held != row["payload_hash"]:
            conflicts.append(_conflict(row, source_row))
    return SortedEvents(
        fresh=fresh, conflicts=conflicts, num_duplicates=len(rows) - len(fresh) - len(conflicts)
    )


def _conflict(row: dict[str, Any], source_row: int | None) -> dict[str, Any]:
    shown = {name: row[name] for name in ("event_id", "user_id", "item_id", "event_type", "value")}
    shown["timestamp"] = from_micros(row["occurred_at"]).isoformat()
    told = {"kind": "event", "source_row": source_row, "payload": json.dumps(shown)}
    return told | {"reasons": CONFLICT, "state": "open"}
