"""Retraining cycles that came to a verdict: what `recloop status` tells, and where the next one begins."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, insert, select

from components.data.moments import Clock, from_micros, to_micros, utc_now
from components.data.schema import cycles as table
from components.data.warehouse import reading, writing


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """One retraining: trained before `train_cutoff`, replayed on [train_cutoff, as_of)."""

    cycle_id: str
    as_of: datetime
    train_cutoff: datetime
    verdict: str
    versions: dict[str, str | None]  # role (champion, challenger, …) -> model version
    summary: dict[str, Any]
    recorded_at: datetime


def record_cycle(
    engine: Engine,
    *,
    cycle_id: str,
    as_of: datetime,
    train_cutoff: datetime,
    verdict: str,
    versions: dict[str, str | None],
    summary: dict[str, Any],
    now: Clock = utc_now,
) -> None:
    """Note a cycle's verdict. The same cycle again replaces its entry.

    Raises NaiveMoment for a moment without a zone, TypeError or ValueError if the summary is not JSON.
    """
    row = {
        "cycle_id": cycle_id,
        "as_of": to_micros(as_of),
        "train_cutoff": to_micros(train_cutoff),
        "verdict": verdict,
        "versions": json.dumps(versions, sort_keys=True),
        "summary": json.dumps(summary, sort_keys=True, allow_nan=False),
        "recorded_at": to_micros(now()),
    }
    with writing(engine, "cycles") as connection:
        connection.execute(delete(table).where(table.c.cycle_id == cycle_id))
        connection.execute(insert(table).values(row))


def cycles(
    engine: Engine, *, cycle_id: str | None = None, before: datetime | None = None, last: int | None = None
) -> list[Cycle]:
    """Cycles by `as_of`, oldest first: all, or the one of this id, those of an `as_of` before, the last few of these.

    A summary is some 50 kB, so who needs one does not ask for all. Raises NaiveMoment for a `before` without a zone.
    """
    query = select(table).order_by(table.c.as_of.desc(), table.c.recorded_at.desc()).limit(last)
    if cycle_id is not None:
        query = query.where(table.c.cycle_id == cycle_id)
    if before is not None:
        query = query.where(table.c.as_of < to_micros(before))
    with reading(engine) as connection:
        rows = reversed(connection.execute(query).mappings().all())
        return [
            Cycle(
                **{**row, "versions": json.loads(row["versions"]), "summary": json.loads(row["summary"])}
                | {name: from_micros(row[name]) for name in ("as_of", "train_cutoff", "recorded_at")}
            )
            for row in rows
        ]
