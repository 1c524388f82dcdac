"""The stage journal: what a stage's key has already produced, so that finished work is not done twice.

A key is the hash of all that the stage depends on (its inputs' digests, config, code); the output names the
artifact. Whoever finds an entry still has to look whether the artifact lies where it says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine, RowMapping, delete, insert, select

from components.data.moments import Clock, from_micros, to_micros, utc_now
from components.data.schema import stage_journal
from components.data.seals import SEAL, is_as_written, seal_of
from components.data.warehouse import reading, writing
from components.faults import crash_point

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class FinishedStage:
    """One entry: what a stage gave, as JSON values, and what it cost."""

    key: str
    stage: str
    run: str
    output: dict[str, Any]
    seconds: float
    peak_mb: float
    finished_at: datetime


def find(engine: Engine, key: str, of: type[T]) -> T | None:
    """What is recorded under this key, as the type that a stage gives; None if no stage has finished with it.

    An entry that does not fit the type is of a stage that gave something else, and counts as none; so does one that
    is not what was recorded, which the stage then records anew.
    """
    with reading(engine) as connection:
        query = select(stage_journal).where(stage_journal.c.key == key)
        row = connection.execute(query).mappings().one_or_none()
    if row is None or not is_as_written(stage_journal, row):
        return None
    try:
        return TypeAdapter(of).validate_json(row["output"])
    except ValidationError:
        return None


def record(
    engine: Engine,
    *,
    key: str,
    stage: str,
    output: object,
    seconds: float,
    peak_mb: float,
    run: str,
    now: Clock = utc_now,
) -> None:
    """Note that a stage has finished. Done again (its artifact was lost, say), the last entry stands.

    `output` is a frozen dataclass of values that JSON holds. Raises TypeError or ValueError if it holds others
    (NaN is one).
    """
    row = {"key": key, "stage": stage, "run": run, "seconds": seconds, "peak_mb": peak_mb}
    values = TypeAdapter(type(output)).dump_python(output, mode="json")
    row |= {"output": json.dumps(values, sort_keys=True, allow_nan=False), "finished_at": to_micros(now())}
    row[SEAL] = seal_of(stage_journal, row)
    crash_point("journal:before-record")
    with writing(engine, "journal") as connection:
        connection.execute(delete(stage_journal).where(stage_journal.c.key == key))
        connection.execute(insert(stage_journal).values(row))


def stages_of(engine: Engine, run: str) -> list[FinishedStage]:
    """What a run finished itself (not what it reused), in that order."""
    query = select(stage_journal).where(stage_journal.c.run == run)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(stage_journal.c.finished_at, stage_journal.c.key)).mappings()
        return [_entry(row) for row in rows if is_as_written(stage_journal, row)]


@dataclass(frozen=True, kw_only=True)
class PastCost:
    """What a stage has cost in this warehouse, over every time that is on record."""

    runs: int
    seconds: float  # median
    longest: float  # seconds
    peak_mb: float  # the largest


def past_costs(engine: Engine) -> dict[str, PastCost]:
    """Stage → what it has cost, whatever it was asked with."""
    query = select(stage_journal.c.stage, stage_journal.c.seconds, stage_journal.c.peak_mb)
    taken: dict[str, list[tuple[float, float]]] = {}
    with reading(engine) as connection:
        for stage, seconds, peak_mb in connection.execute(query):
            taken.setdefault(stage, []).append((seconds, peak_mb))
    return {
        stage: PastCost(
            runs=len(costs),
            seconds=median(seconds for seconds, _ in costs),
            longest=max(seconds for seconds, _ in costs),
            peak_mb=max(peak_mb for _, peak_mb in costs),
        )
        for stage, costs in taken.items()
    }


def _entry(row: RowMapping) -> FinishedStage:
    decoded = {"output": json.loads(row["output"]), "finished_at": from_micros(row["finished_at"])}
    told = {name: value for name, value in row.items() if name != SEAL}
    return FinishedStage(**{**told, **decoded})
