"""What users had done by a moment, counted in the warehouse: how much, how lately, and how much of it is popular."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Engine, case, func, select

from components.data.knowledge import known_by
from components.data.moments import to_micros
from components.data.schema import events
from components.data.warehouse import reading

if TYPE_CHECKING:
    import pandas as pd

_USERS_A_QUERY = 500


def most_popular(engine: Engine, *, before: datetime, limit: int) -> tuple[str, ...]:
    """The items with the most events before a moment, as known by it; ties by item id. Raises NaiveMoment."""
    at, item = to_micros(before), events.c.item_id
    query = select(item).where(events.c.occurred_at < at, known_by(at)).group_by(item)
    with reading(engine) as connection:
        return tuple(connection.execute(query.order_by(func.count().desc(), item).limit(limit)).scalars())


def user_figures(
    engine: Engine, user_ids: Sequence[str], *, popular: Collection[str], before: datetime
) -> pd.DataFrame:
    """user_id, events, popular (of these, on items that are), last_at (us, UTC); a row a user, in their order.

    Counted over the events before a moment, as known by it; of whoever has none they are 0, 0 and NaT. In memory is a
    row a user. Raises NaiveMoment.
    """
    import pandas as pd

    at, table = to_micros(before), events.c
    is_popular = case((table.item_id.in_(popular), 1), else_=0)
    counted = select(table.user_id, func.count(), func.sum(is_popular), func.max(table.occurred_at)).where(
        table.occurred_at < at, known_by(at)
    )
    found: list[tuple[str, int, int, int]] = []
    with reading(engine) as connection:
        for some in range(0, len(user_ids), _USERS_A_QUERY):
            asked = table.user_id.in_(user_ids[some : some + _USERS_A_QUERY])
            found += [tuple(row) for row in connection.execute(counted.where(asked).group_by(table.user_id))]
    frame = pd.DataFrame(found, columns=["user_id", "events", "popular", "last_at"]).set_index("user_id")
    frame["last_at"] = pd.to_datetime(frame["last_at"].astype("Int64"), unit="us", utc=True).dt.as_unit("us")
    every = frame.reindex(pd.Index(user_ids, name="user_id"))
    every[["events", "popular"]] = every[["events", "popular"]].fillna(0).astype("int64")
    return every.reset_index()
