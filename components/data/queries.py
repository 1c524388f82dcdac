"""Questions that the command line asks the warehouse: how much, how fresh, whose history, what went wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Engine, func, select

from components.data.knowledge import known_by
from components.data.moments import from_micros, to_micros
from components.data.schema import batches, events, items, quarantine
from components.data.warehouse import reading, rows_where

if TYPE_CHECKING:
    import pandas as pd

_SECOND_US = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Counts:
    events: int
    users: int  # with at least one event
    items: int  # described
    quarantined: int  # open rows, of events and items
    batches: int  # landed
    late: int = 0  # of the events: told of after the time that they are of (see `knowledge`)


@dataclass(frozen=True, kw_only=True)
class ItemPopularity:
    """How much was done with an item before a moment, among all items."""

    events: int
    users: int  # distinct
    rank: int  # from 1, by events; items with as many share a rank
    num_items: int  # with an event
    num_users: int  # with an event

    @property
    def novelty(self) -> float:
        """Bits: -log2 of the share of users who had it; of an item that nobody had, (0+1) / (users+1) counts."""
        share = self.users / self.num_users if self.users else 1 / (self.num_users + 1)
        return -math.log2(share)


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """None where there is nothing yet."""

    last_event_at: datetime | None
    last_landing_at: datetime | None


def counts(engine: Engine) -> Counts:
    """How much the warehouse holds."""
    open_rows = select(func.count()).select_from(quarantine).where(quarantine.c.state == "open")
    landed = select(func.count()).select_from(batches).where(batches.c.state == "landed")
    with reading(engine) as connection:
        return Counts(
            events=connection.execute(select(func.count()).select_from(events)).scalar_one(),
            users=connection.execute(select(func.count(events.c.user_id.distinct()))).scalar_one(),
            items=connection.execute(select(func.count()).select_from(items)).scalar_one(),
            quarantined=connection.execute(open_rows).scalar_one(),
            batches=connection.execute(landed).scalar_one(),
            late=connection.execute(select(func.count(events.c.known_at))).scalar_one(),
        )


def freshness(engine: Engine) -> Freshness:
    """When the last event happened, and when the last batch landed."""
    landed = select(func.max(batches.c.landed_at)).where(batches.c.state == "landed")
    with reading(engine) as connection:
        last_event = connection.execute(select(func.max(events.c.occurred_at))).scalar()
        last_landing = connection.execute(landed).scalar()
    return Freshness(
        last_event_at=None if last_event is None else from_micros(last_event),
        last_landing_at=None if last_landing is None else from_micros(last_landing),
    )


def event_time_quantile(engine: Engine, q: float) -> datetime | None:
    """The moment of the event with a share q of all events sorted before it; None without events.

    As a half-open cut: at most the share q of the events happened before it. q = 1 gives the first whole
    second after the last event, so that all of them did. Raises ValueError unless 0 <= q <= 1.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"q is {q}; a quantile lies in [0, 1]")
    with reading(engine) as connection:
        num_events = connection.execute(select(func.count()).select_from(events)).scalar_one()
        if not num_events:
            return None
        # 0.7 * 10 is 7.000000000000001 in floats
        rank = math.floor(round(q * num_events, 6))
        moments = select(events.c.occurred_at).order_by(events.c.occurred_at)
        at = connection.execute(moments.limit(1).offset(min(rank, num_events - 1))).scalar_one()
    return from_micros(at if rank < num_events else (at // _SECOND_US + 1) * _SECOND_US)


def latest_batch_start(engine: Engine) -> datetime | None:
    """Where the latest batch that brought events begins: as it was told, else its first event; None without."""
    brought = select(func.max(events.c.batch_id))
    with reading(engine) as connection:
        batch = connection.execute(brought).scalar()
        if batch is None:
            return None
        told = connection.execute(select(batches.c.since_at).where(batches.c.batch_id == batch)).scalar()
        first = select(func.min(events.c.occurred_at)).where(events.c.batch_id == batch)
        return from_micros(connection.execute(first).scalar_one() if told is None else told)


def described_items(engine: Engine) -> pd.DataFrame:
    """item_id, title, description, categories, attributes of every item as it was described last, by item_id."""
    import pandas as pd

    columns = (items.c.item_id, items.c.title, items.c.description, items.c.categories, items.c.attributes)
    with reading(engine) as connection:
        rows = [tuple(row) for row in connection.execute(select(*columns).order_by(items.c.item_id))]
    return pd.DataFrame(rows, columns=[column.name for column in columns], dtype=object)


def user_history(
    engine: Engine, user_id: str, *, before: datetime | None = None, limit: int | None = None
) -> pd.DataFrame:
    """item_id, event_type, timestamp (us, UTC), value of a user's last `limit` events, oldest first.

    Empty for an unknown user. Raises NaiveMoment if `before` has no zone.
    """
    import pandas as pd

    table = events.c
    query = select(table.item_id, table.event_type, table.occurred_at, table.value)
    query = query.where(table.user_id == user_id)
    if before is not None:
        query = query.where(table.occurred_at < to_micros(before))
    query = query.order_by(table.occurred_at.desc(), table.item_id.desc(), table.event_id.desc()).limit(limit)
    with reading(engine) as connection:
        rows = [tuple(row) for row in connection.execute(query)][::-1]
    history = pd.DataFrame(rows, columns=["item_id", "event_type", "timestamp", "value"])
    moments = pd.to_datetime(history["timestamp"].astype("int64"), unit="us", utc=True).dt.as_unit("us")
    return history.assign(timestamp=moments, value=history["value"].astype("float64"))


def events_between(engine: Engine, start: datetime, end: datetime) -> pd.DataFrame:
    """event_id, user_id, item_id, event_type, timestamp (us, UTC) of [start, end), oldest first.

    Raises NaiveMoment for a moment without a zone.
    """
    import pandas as pd

    table = events.c
    columns = (table.event_id, table.user_id, table.item_id, table.event_type, table.occurred_at)
    query = select(*columns).where(table.occurred_at >= to_micros(start), table.occurred_at < to_micros(end))
    with reading(engine) as connection:
        rows = [tuple(row) for row in connection.execute(query.order_by(table.occurred_at, table.event_id))]
    found = pd.DataFrame(rows, columns=["event_id", "user_id", "item_id", "event_type", "timestamp"])
    moments = pd.to_datetime(found["timestamp"].astype("int64"), unit="us", utc=True).dt.as_unit("us")
    return found.assign(timestamp=moments)


def item_popularity(engine: Engine, item_id: str, *, before: datetime) -> ItemPopularity:
    """Counted over the events before a moment, as known by it. Raises NaiveMoment without a zone."""
    table, at = events.c, to_micros(before)
    counted = (
        select(table.item_id, func.count().label("n"), func.count(table.user_id.distinct()).label("users"))
        .where(table.occurred_at < at, known_by(at))
        .group_by(table.item_id)
        .subquery()
    )
    own = select(counted.c.n, counted.c.users).where(counted.c.item_id == item_id)
    users = select(func.count(table.user_id.distinct())).where(table.occurred_at < at, known_by(at))
    with reading(engine) as connection:
        num_events, num_users = connection.execute(own).one_or_none() or (0, 0)
        more = select(func.count()).select_from(counted).where(counted.c.n > num_events)
        return ItemPopularity(
            events=num_events,
            users=num_users,
            rank=connection.execute(more).scalar_one() + 1,
            num_items=connection.execute(select(func.count()).select_from(counted)).scalar_one(),
            num_users=connection.execute(users).scalar_one(),
        )


def titles(engine: Engine, item_ids: Sequence[str]) -> dict[str, str]:
    """item_id -> title, of those that have one."""
    with reading(engine) as connection:
        rows = rows_where(connection, items.c.item_id, item_ids, items.c.title)
        return {item_id: title for item_id, title in rows if title is not None}


def quarantine_reasons(engine: Engine, *, batch_id: int | None = None) -> dict[str, int]:
    """Reason code -> open rows that have it, most frequent first; a row with two reasons counts in both."""
    query = select(quarantine.c.reasons, func.count()).where(quarantine.c.state == "open")
    if batch_id is not None:
        query = query.where(quarantine.c.batch_id == batch_id)
    tally: Counter[str] = Counter()
    with reading(engine) as connection:
        for reasons, num_rows in connection.execute(query.group_by(quarantine.c.reasons)):
            for reason in reasons.split("|"):
                tally[reason] += num_rows
    return dict(sorted(tally.items(), key=lambda pair: (-pair[1], pair[0])))


def item_ids(engine: Engine) -> set[str]:
    """All items that are described."""
    with reading(engine) as connection:
        return set(connection.execute(select(items.c.item_id)).scalars())


def has_events(engine: Engine, user_id: str) -> bool:
    """Whether anything that this user did has landed."""
    with reading(engine) as connection:
        query = select(events.c.event_id).where(events.c.user_id == user_id).limit(1)
        return connection.execute(query).first() is not None


def user_ids(engine: Engine) -> set[str]:
    """All users with at least one event."""
    with reading(engine) as connection:
        return set(connection.execute(select(events.c.user_id).distinct()).scalars())


def told_until(engine: Engine) -> datetime | None:
    """How far in time what has landed reaches: the latest "now" of a batch, or past the last event if there is later.

    None while nothing has landed.
    """
    landed = select(func.max(batches.c.as_of)).where(batches.c.state == "landed")
    with reading(engine) as connection:
        as_of, last = (
            connection.execute(landed).scalar(),
            connection.execute(select(func.max(events.c.occurred_at))).scalar(),
        )
    if as_of is None or (last is not None and last >= as_of):
        return event_time_quantile(engine, 1.0)
    return from_micros(as_of)
