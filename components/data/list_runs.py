"""Runs of lists over time: which of them must stay, and which may go.

What is served stays, and what a rollback would serve: the last run that was served of another version. A run that
goes loses its lists and keeps its line in `recommendation_runs`, since the history of what was served refers to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, func, select

from components.data.moments import from_micros, to_micros
from components.data.schema import recommendation_runs, recommendations, served_runs
from components.data.served_runs import ScoringRun
from components.data.warehouse import reading, writing

_ROWS_A_TRANSACTION = 100_000


@dataclass(frozen=True, kw_only=True)
class PrunableRun:
    """A run whose lists would go."""

    run: str
    is_batch: bool  # False: one list, made when it was asked for
    begun_at: datetime
    num_rows: int


def kept_runs(connection: Connection) -> tuple[ScoringRun, ...]:
    """The run that is served, and the one that a rollback would serve; those of them that there are."""
    table = recommendation_runs.c
    history = (
        select(table.run, table.model_version, table.bundle, table.feature_set)
        .join(served_runs, served_runs.c.run == table.run)
        .order_by(served_runs.c.id.desc())
    )
    found: list[ScoringRun] = []
    for row in connection.execute(history).mappings():
        if not found or row["model_version"] != found[0].model_version:
            found.append(ScoringRun(**row))
        if len(found) == 2:
            break
    return tuple(found)


def prunable_runs(engine: Engine, *, begun_before: datetime) -> tuple[PrunableRun, ...]:
    """Runs with lists that were begun before this moment and need not stay, oldest first."""
    table = recommendation_runs.c
    query = (
        select(table.run, table.is_batch, table.begun_at, func.count().label("num_rows"))
        .join(recommendations, recommendations.c.run == table.run)
        .where(table.begun_at < to_micros(begun_before))
        .group_by(table.run)
        .order_by(table.begun_at, table.run)
    )
    with reading(engine) as connection:
        kept = {run.run for run in kept_runs(connection)}
        return tuple(
            PrunableRun(**{**row, "begun_at": from_micros(row["begun_at"])})
            for row in connection.execute(query).mappings()
            if row["run"] not in kept
        )


def drop_run(engine: Engine, run: str) -> None:
    """Remove a run's lists, and the run itself if it was one list and never served. Again changes nothing.

    A run that is served, or would be after a rollback, is left as it is.
    """
    while _drop_some(engine, run):
        pass
    with writing(engine, "recommendations") as connection:
        listed = select(recommendations.c.run).where(recommendations.c.run == run)
        served = select(served_runs.c.run).where(served_runs.c.run == run)
        one = recommendation_runs.c.run == run, recommendation_runs.c.is_batch.is_(False)
        connection.execute(delete(recommendation_runs).where(*one, ~listed.exists(), ~served.exists()))


def _drop_some(engine: Engine, run: str) -> bool:
    """Remove the lists of some users; False when none are left. Short transactions, so that nobody waits long."""
    of_run = recommendations.c.run == run
    with writing(engine, "recommendations") as connection:
        if run in {kept.run for kept in kept_runs(connection)}:
            return False
        users = select(recommendations.c.user_id).where(of_run).order_by(recommendations.c.user_id)
        last = connection.execute(users.offset(_ROWS_A_TRANSACTION).limit(1)).scalar()
        some = delete(recommendations).where(of_run)
        connection.execute(some if last is None else some.where(recommendations.c.user_id <= last))
        return last is not None
