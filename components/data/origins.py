"""Where data came from: the batches behind a snapshot, an item, and the lists that users were given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, RowMapping, Select, and_, func, or_, select

from components.data.moments import from_micros
from components.data.schema import batches, events, items, recommendation_runs, recommendations, snapshots
from components.data.warehouse import reading


@dataclass(frozen=True, kw_only=True)
class BatchOrigin:
    """A batch that landed."""

    batch_id: int
    source: str
    digest: str
    landed_at: datetime


@dataclass(frozen=True, kw_only=True)
class ListedItem:
    """An item as it stood in the newest list of a user that holds it."""

    user_id: str
    item_id: str
    rank: int
    model_version: str
    at: datetime
    run: str  # of scoring
    feature_set: str  # digest; "" if not told
    features_as_of: datetime | None


def batches_of_snapshot(engine: Engine, digest: str) -> list[BatchOrigin]:
    """Every batch that had landed when the snapshot was taken, oldest first; none of an unknown snapshot."""
    watermark = select(snapshots.c.watermark).where(snapshots.c.digest == digest).scalar_subquery()
    return _batches(engine, select(batches).where(batches.c.batch_id <= watermark))


def events_of_batches(engine: Engine) -> dict[int, tuple[int, int]]:
    """Landed batch → (events that its landing accepted, events that are there now)."""
    there = select(events.c.batch_id, func.count()).group_by(events.c.batch_id)
    counted = select(batches.c.batch_id, batches.c.accepted).where(batches.c.state == "landed")
    with reading(engine) as connection:
        now = dict(connection.execute(there).tuples().all())
        return {batch: (num, now.get(batch, 0)) for batch, num in connection.execute(counted).tuples()}


def batches_of_item(engine: Engine, item_id: str) -> list[BatchOrigin]:
    """The batch that described the item last, and those that brought its events, oldest first."""
    described = select(items.c.batch_id).where(items.c.item_id == item_id)
    used = select(events.c.batch_id).where(events.c.item_id == item_id)
    either = or_(batches.c.batch_id.in_(described), batches.c.batch_id.in_(used))
    return _batches(engine, select(batches).where(either))


def listed_item(engine: Engine, user_id: str, item_id: str) -> ListedItem | None:
    """Where this item was recommended to this user last; None if it never was."""
    table = recommendations
    at = table.c.scored_at
    query = (
        select(
            table.c.user_id,
            table.c.item_id,
            table.c.rank,
            table.c.model_version,
            at.label("at"),
            table.c.run,
            table.c.features_as_of,
            recommendation_runs.c.feature_set,
        )
        .join(recommendation_runs, recommendation_runs.c.run == table.c.run)
        .where(and_(table.c.user_id == user_id, table.c.item_id == item_id))
        .order_by(at.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    as_of = row["features_as_of"]
    moments = {"at": from_micros(row["at"]), "features_as_of": None if as_of is None else from_micros(as_of)}
    return ListedItem(**{**row, **moments})


def _batches(engine: Engine, query: Select[tuple[object, ...]]) -> list[BatchOrigin]:
    landed = query.where(batches.c.state == "landed").order_by(batches.c.batch_id)
    with reading(engine) as connection:
        return [_batch(row) for row in connection.execute(landed).mappings()]


def _batch(row: RowMapping) -> BatchOrigin:
    return BatchOrigin(
        batch_id=row["batch_id"],
        source=row["source"],
        digest=row["digest"],
        landed_at=from_micros(row["landed_at"]),
    )
