"""Which run's lists are served, read without what writes lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, RowMapping, select

from components.data.moments import from_micros
from components.data.schema import recommendation_runs, served_runs
from components.data.warehouse import reading


@dataclass(frozen=True, kw_only=True)
class ScoringRun:
    """What all lists of one run have in common."""

    run: str
    model_version: str
    bundle: str  # digest; "" if not told
    feature_set: str  # digest; "" if not told


@dataclass(frozen=True, kw_only=True)
class ServedRun:
    """The run whose lists are served, and since when."""

    run: ScoringRun
    action: str  # publish | restore
    at: datetime


def current_run(engine: Engine) -> ServedRun | None:
    """The run whose lists are served; None before the first is published."""
    with reading(engine) as connection:
        return run_served(connection)


def run_served(connection: Connection) -> ServedRun | None:
    """The same within a transaction."""
    query = (
        select(served_runs.c.action, served_runs.c.at, recommendation_runs)
        .join(recommendation_runs, recommendation_runs.c.run == served_runs.c.run)
        .order_by(served_runs.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    return ServedRun(run=scoring_run(row), action=row["action"], at=from_micros(row["at"]))


def scoring_run(row: RowMapping) -> ScoringRun:
    return ScoringRun(**{name: row[name] for name in ("run", "model_version", "bundle", "feature_set")})
