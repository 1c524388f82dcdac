"""Lists of recommendations: written by scoring runs, served from one of them, traced to the model.

A run is one scoring by one bundle. Batch scoring writes its lists in transactions of many users, each user's
list whole; a run that was cut off is written again under its name, and what stands stays. Nothing is served
before the run is published, and publishing moves one pointer, so the lists of an earlier version can be
served again.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, insert, select

from components.data.list_rows import (
    LIST_COLUMNS,
    Lists,
    columns_of,
    insert_lists,
    insert_new,
    whole_lists,
)
from components.data.moments import Clock, to_micros, utc_now
from components.data.schema import recommendation_runs, recommendations, served_runs
from components.data.served_runs import ScoringRun, ServedRun, run_served, scoring_run
from components.data.warehouse import reading, writing
from components.faults import crash_point

NEW_USER = ""  # whose list everybody gets who has none: that of an empty history
_ROWS_A_TRANSACTION = 100_000


class ScoringMismatch(Exception):
    """Lists of another model or other features under the name of a run that has begun."""


class NoLists(Exception):
    """There is no run, or no list, of what was asked for."""


def write_lists(engine: Engine, run: ScoringRun, lists: Lists, *, now: Clock = utc_now) -> int:
    """Add lists to a run; returns how many rows are new. The same lists again add nothing.

    `lists` holds LIST_COLUMNS: user_id, rank (from 1), item_id, score, features_as_of and scored_at (moments
    with a zone, or null for the former), all rows of a user together and in one call. Each transaction holds
    whole lists, so a kill leaves no list in parts.

    Raises ScoringMismatch if the run has begun with another version, bundle or feature set, ValueError if a
    column is missing or a user's rows do not stand together.
    """
    columns, num_new = columns_of(lists), 0
    with writing(engine, "recommendations") as connection:
        _begin(connection, run, is_batch=True, now=now)
    for rows in whole_lists(columns["user_id"], _ROWS_A_TRANSACTION):
        with writing(engine, "recommendations") as connection:
            num_new += insert_lists(connection, columns, rows, run=run.run, model_version=run.model_version)
            crash_point("recommendations:before-commit")
    return num_new


def publish_run(engine: Engine, run: str, *, now: Clock = utc_now) -> ServedRun:
    """Serve this run's lists from now on. Published already, nothing changes. Raises NoLists without any."""
    with writing(engine, "recommendations") as connection:
        if not connection.execute(
            select(recommendations.c.run).where(recommendations.c.run == run).limit(1)
        ).first():
            raise NoLists(f"run {run!r} has no lists. Write its lists first.")
        return _serve(connection, run, "publish", now)


def restore_run(engine: Engine, model_version: str, *, now: Clock = utc_now) -> ServedRun | None:
    """Serve again what was served last of a model version, as a rollback does.

    None if no lists of that version were ever served, or none of them are left: the pointer stays.
    """
    last = (
        select(served_runs.c.run)
        .join(recommendation_runs, recommendation_runs.c.run == served_runs.c.run)
        .where(recommendation_runs.c.model_version == model_version)
        .where(select(recommendations.c.run).where(recommendations.c.run == served_runs.c.run).exists())
        .order_by(served_runs.c.id.desc())
        .limit(1)
    )
    with writing(engine, "recommendations") as connection:
        run = connection.execute(last).scalar()
        return None if run is None else _serve(connection, run, "restore", now)


def lists_of(engine: Engine, user_id: str, *, run: str | None = None) -> pd.DataFrame:
    """A user's list in a run (default: the one that is served), best first, with what it is traced by.

    Columns: LIST_COLUMNS, model_version, bundle, feature_set, run. Empty without a run or a list.
    """
    with reading(engine) as connection:
        served = run_served(connection) if run is None else None
        name = served.run.run if served else run
        query = (
            select(recommendations, recommendation_runs.c.bundle, recommendation_runs.c.feature_set)
            .join(recommendation_runs, recommendation_runs.c.run == recommendations.c.run)
            .where(recommendations.c.run == name, recommendations.c.user_id == user_id)
            .order_by(recommendations.c.rank)
        )
        rows = connection.execute(query).mappings().all()
    frame = pd.DataFrame(rows, columns=[*LIST_COLUMNS, "model_version", "bundle", "feature_set", "run"])
    for name in ("features_as_of", "scored_at"):
        moments = pd.to_datetime(frame[name].astype("Int64"), unit="us", utc=True)
        frame[name] = moments.dt.as_unit("us")
    return frame


def record_list(
    engine: Engine,
    *,
    user_id: str,
    item_ids: Sequence[str],
    scores: Sequence[float],
    model_version: str,
    bundle: str = "",
    feature_set: str = "",
    features_as_of: datetime | None = None,
    now: Clock = utc_now,
) -> None:
    """Note one list that was made when it was asked for, best first, as a run of its own.

    Raises ValueError if items and scores differ in number.
    """
    at = to_micros(now())
    run = ScoringRun(
        run=f"asked-{at}-{uuid.uuid4().hex[:12]}",
        model_version=model_version,
        bundle=bundle,
        feature_set=feature_set,
    )
    if len(item_ids) != len(scores):
        raise ValueError(f"{len(item_ids)} items and {len(scores)} scores: the shorter list lacks some")
    as_of, number = None if features_as_of is None else to_micros(features_as_of), len(item_ids)
    common: dict[str, Any] = {"run": run.run, "user_id": user_id, "model_version": model_version}
    common |= {"scored_at": at, "features_as_of": as_of}
    columns: dict[str, Sequence[Any]] = {name: [value] * number for name, value in common.items()}
    columns |= {"item_id": item_ids, "rank": range(1, number + 1), "score": [float(s) for s in scores]}
    if number:
        with writing(engine, "recommendations") as connection:
            _begin(connection, run, is_batch=False, now=now)
            insert_new(connection, tuple(columns), list(columns.values()))


def _begin(connection: Connection, run: ScoringRun, *, is_batch: bool, now: Clock) -> None:
    query = select(recommendation_runs).where(recommendation_runs.c.run == run.run)
    if begun := connection.execute(query).mappings().one_or_none():
        if (found := scoring_run(begun)) != run:
            raise ScoringMismatch(
                f"run {run.run!r} was begun by version {found.model_version} (bundle {found.bundle[:12]}, feature "
                f"set {found.feature_set[:12]}), and these lists are of version {run.model_version} (bundle "
                f"{run.bundle[:12]}, feature set {run.feature_set[:12]}). Give them a run of their own."
            )
        return
    row: dict[str, Any] = {"run": run.run, "model_version": run.model_version, "bundle": run.bundle}
    row |= {"feature_set": run.feature_set, "is_batch": is_batch, "begun_at": to_micros(now())}
    connection.execute(insert(recommendation_runs).values(row))


def _serve(connection: Connection, run: str, action: str, now: Clock) -> ServedRun:
    served = run_served(connection)
    if served is None or served.run.run != run:
        row = {"run": run, "action": action, "at": to_micros(now())}
        connection.execute(insert(served_runs).values(row))
        served = run_served(connection)
    assert served is not None
    return served
