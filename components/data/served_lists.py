"""Which lists are current: those that the champion of the ledger made. A rollback restores them by moving it.

Nothing is copied and nothing is marked, so there is no moment at which champion and lists disagree.
"""

from __future__ import annotations

import pandas as pd
from sqlalchemy import Engine, func, select

from components.data.ledger import current_champion
from components.data.schema import recommendations as table
from components.data.warehouse import reading

COLUMNS = ("rank", "item_id", "score", "model_version", "served_at")


def current_list(engine: Engine, model: str, user_id: str) -> pd.DataFrame:
    """A user's newest list by the current champion, best first, as COLUMNS; empty if it made none.

    `served_at` is int64 microseconds since 1970, UTC.
    """
    champion = current_champion(engine, model)
    mine = (table.c.user_id == user_id) & (table.c.model_version == champion)
    newest = select(func.max(table.c.served_at)).where(mine).scalar_subquery()
    query = select(*(table.c[name] for name in COLUMNS)).where(mine, table.c.served_at == newest)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(table.c.rank)).all()
    return pd.DataFrame(rows, columns=list(COLUMNS))
