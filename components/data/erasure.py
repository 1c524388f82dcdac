"""Erasure of a user: a tombstone first, then every place that holds rows of the user, each until none is left.

A place says how many rows or files it holds and removes them; doing so again changes nothing. Other rooms
have places of their own (the feature store, report pages), and whoever joins them hands all of them over. A
killed erasure is run again and goes on. Run it while no cycle runs: a stage at work may write what it read
before.

Holds at the end: every place counts 0, and the warehouse's file keeps nothing in pages that are free (SQLite;
PostgreSQL leaves that to its own vacuum). What was counted when a batch landed stays as it was counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, or_, select

from components.data.erased_users import (
    ERASED_USER,
    NOTHING,
    finish_tombstone,
    set_tombstone,
    user_of_payload,
)
from components.data.moments import Clock, utc_now
from components.data.quarantine import set_states
from components.data.schema import day_partitions, events, quarantine, recommendation_runs, recommendations
from components.data.warehouse import reading, writing
from components.faults import crash_point


class ErasureUnfinished(Exception):
    """Something of the user is left: names the place, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Somewhere that may hold rows of one user."""

    name: str
    count: Callable[[], int]
    erase: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class PlaceCount:
    name: str
    count: int


def plan_erasure(places: Sequence[Place]) -> tuple[PlaceCount, ...]:
    """What an erasure would remove, place by place; removes nothing."""
    return tuple(PlaceCount(name=place.name, count=place.count()) for place in places)


def erase_user(
    engine: Engine, user_id: str, places: Sequence[Place], *, now: Clock = utc_now
) -> tuple[PlaceCount, ...]:
    """Erase a user from all places, in their order; returns what this call removed.

    From the tombstone on, no batch brings rows of the user in again, until `lift_tombstone`.
    Raises ErasureUnfinished if a place still holds something afterwards.
    """
    set_tombstone(engine, user_id, now=now)
    crash_point("erase:tombstone")
    removed = []
    for place in places:
        count = place.count()
        place.erase()  # even at 0: what a kill left aside is not counted
        crash_point(f"erase:{place.name}")
        if left := place.count():
            raise ErasureUnfinished(
                f"{place.name}: {left:,} of the user are left after erasing. Stop whatever writes there, and "
                "erase again."
            )
        removed.append(PlaceCount(name=place.name, count=count))
    compact(engine)
    finish_tombstone(engine, user_id, now=now)
    return tuple(removed)


def warehouse_places(engine: Engine, user_id: str) -> tuple[Place, ...]:
    """Events, quarantined rows and recommendations of a user."""
    return (
        Place(
            name="events",
            count=lambda: _count(engine, events.c.user_id == user_id),
            erase=lambda: _erase_events(engine, user_id),
        ),
        Place(
            name="quarantine",
            count=lambda: len(_quarantined(engine, user_id)),
            erase=lambda: _erase_quarantined(engine, user_id),
        ),
        Place(
            name="recommendations",
            count=lambda: _count(engine, recommendations.c.user_id == user_id),
            erase=lambda: _erase_recommendations(engine, user_id),
        ),
    )


def compact(engine: Engine) -> None:
    """Rewrite the SQLite file, so that nothing deleted is left in it or in its log.

    Raises ErasureUnfinished if another process keeps the log in use.
    """
    if engine.dialect.name != "sqlite":
        return
    raw = engine.raw_connection()
    try:
        raw.execute("VACUUM")
        busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        raw.close()
    if busy:
        raise ErasureUnfinished(
            "the warehouse is being read, and its log still holds what was deleted. Stop the other processes, "
            "and erase again."
        )


def _count(engine: Engine, of_user: ColumnElement[bool]) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).where(of_user)).scalar_one()


def _erase_events(engine: Engine, user_id: str) -> None:
    """With the events goes what is recorded of their days: a file of rows that no longer exist is not reused."""
    with writing(engine, "ingest") as connection:
        moments = (
            connection.execute(select(events.c.occurred_at).where(events.c.user_id == user_id))
            .scalars()
            .all()
        )
        for at in range(0, len(moments), 500):
            of_days = [
                (day_partitions.c.from_at <= moment) & (day_partitions.c.until_at > moment)
                for moment in moments[at : at + 500]
            ]
            connection.execute(delete(day_partitions).where(or_(*of_days)))
        connection.execute(delete(events).where(events.c.user_id == user_id))
        crash_point("erase:events-before-commit")


def _quarantined(engine: Engine, user_id: str) -> list[int]:
    with reading(engine) as connection:
        return _quarantine_ids(connection, user_id)


def _quarantine_ids(connection: Connection, user_id: str) -> list[int]:
    rows = connection.execute(select(quarantine.c.id, quarantine.c.payload))
    return [id for id, payload in rows if (user := user_of_payload(payload)) and user.strip() == user_id]


def _erase_quarantined(engine: Engine, user_id: str) -> None:
    with writing(engine, "ingest") as connection:
        ids = _quarantine_ids(connection, user_id)
        emptied = {"payload": NOTHING, "reasons": ERASED_USER, "state": "erased", "resolution": None}
        set_states(connection, ids, emptied)


def _erase_recommendations(engine: Engine, user_id: str) -> None:
    listed = select(recommendations.c.run).where(recommendations.c.run == recommendation_runs.c.run)
    with writing(engine, "recommendations") as connection:
        connection.execute(delete(recommendations).where(recommendations.c.user_id == user_id))
        alone = recommendation_runs.c.is_batch.is_(False) & ~listed.exists()
        connection.execute(delete(recommendation_runs).where(alone))
