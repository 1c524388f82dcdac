"""Looks at the champion, kept: what its page draws over time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, insert, select

from components.data.moments import Clock, from_micros, to_micros, utc_now
from components.data.schema import monitor_runs as table
from components.data.warehouse import reading, writing


@dataclass(frozen=True, kw_only=True)
class MonitorRun:
    """Events of [since_at, as_of) against the training of a version."""

    model: str
    version: str
    since_at: datetime
    as_of: datetime
    status: str
    result: dict[str, Any]
    measured_at: datetime


def record_monitor_run(
    engine: Engine,
    *,
    model: str,
    version: str,
    since: datetime,
    as_of: datetime,
    status: str,
    result: dict[str, Any],
    now: Clock = utc_now,
) -> None:
    """Keep what was found. The same look again (version and stretch) replaces its entry.

    Raises NaiveMoment for a moment without a zone, TypeError or ValueError if the result is not JSON.
    """
    row = {
        "model": model,
        "version": version,
        "since_at": to_micros(since),
        "as_of": to_micros(as_of),
        "status": status,
        "result": json.dumps(result, sort_keys=True, allow_nan=False),
        "measured_at": to_micros(now()),
    }
    same = [table.c[name] == row[name] for name in ("model", "version", "since_at", "as_of")]
    with writing(engine, "monitor_runs") as connection:
        connection.execute(delete(table).where(*same))
        connection.execute(insert(table).values(row))


def monitor_runs(engine: Engine, model: str, *, limit: int = 200) -> list[MonitorRun]:
    """The last looks at a model, in order of the time that they speak of, oldest first."""
    query = select(table).where(table.c.model == model)
    newest = query.order_by(table.c.as_of.desc(), table.c.measured_at.desc(), table.c.version.desc()).limit(
        limit
    )
    with reading(engine) as connection:
        rows = list(connection.execute(newest).mappings())[::-1]
    return [
        MonitorRun(
            **{**row, "result": json.loads(row["result"])}
            | {name: from_micros(row[name]) for name in ("since_at", "as_of", "measured_at")}
        )
        for row in rows
    ]
