"""The same work by what is known to be fast: DuckDB's bare scan as the floor, sequences by DuckDB and by pandas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Work = Callable[[], dict[str, Any]]


def duckdb_scan(home: Path) -> Work:
    """The floor: DuckDB counts the events of each user in the source's parquet."""
    import duckdb

    def work() -> dict[str, Any]:
        duckdb.sql("SET threads=1")
        query = (
            f"SELECT count(*) FROM (SELECT user_id, count(*) FROM '{home}/source/events.parquet' GROUP BY 1)"
        )
        return {"rows": duckdb.sql(query).fetchall()[0][0]}

    return work


def duckdb_sequences(home: Path) -> Work:
    """The same sequences by DuckDB: ordered lists a user."""
    import duckdb

    def work() -> dict[str, Any]:
        duckdb.sql("SET threads=1")
        lists = ", ".join(
            f"list({name} ORDER BY timestamp, item_id, event_id)"
            for name in ("item_id", "event_type", "timestamp")
        )
        query = f"SELECT user_id, {lists} FROM '{home}/source/events.parquet' GROUP BY 1 ORDER BY 1"
        return {"rows": duckdb.sql(query).arrow().read_all().num_rows}

    return work


def pandas_sequences(home: Path) -> Work:
    """The same sequences by a pandas group-by."""
    import pandas as pd

    def work() -> dict[str, Any]:
        frame = pd.read_parquet(home / "source" / "events.parquet")
        frame = frame.sort_values(["user_id", "timestamp", "item_id", "event_id"])
        return {"rows": len(frame.groupby("user_id")[["item_id", "event_type", "timestamp"]].agg(list))}

    return work
