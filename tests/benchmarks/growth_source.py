"""A seeded source of n events: n/10 users, n/50 items, Zipf's law over items, 100 days and one more of 1 %.

Written slice by slice, so that what it holds does not grow with n. `fill` puts events and items into a warehouse as
landing leaves them, without landing: the other stages can then be measured alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from sqlalchemy import Engine

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 100
END = BEGIN + timedelta(days=DAYS)  # of the full build; the daily batch is the day after it
DAILY_END = END + timedelta(days=1)
NUM_CATEGORIES, NUM_BRANDS = 40, 200
_SLICE = 500_000  # events
_NONE_OF = ("received", "accepted", "quarantined", "duplicates", "items_received", "items_new", "items_updated",
            "items_unchanged", "items_quarantined", "late")  # fmt: skip
_DAY_US = 86_400_000_000


def num_users(num_events: int) -> int:
    return num_events // 10


def num_items(num_events: int) -> int:
    return num_events // 50


def write_source(folder: Path, num_events: int, seed: int = 0) -> None:
    """events.parquet, items.parquet, and daily/events.parquet with the day after (1 % of the events)."""
    (folder / "daily").mkdir(parents=True, exist_ok=True)
    pq.write_table(_items(num_items(num_events), seed), folder / "items.parquet")
    _write(folder / "events.parquet", _slices(num_events, seed, first_day=0, days=DAYS, total=num_events))
    daily = _slices(num_events // DAYS, seed + 1, first_day=DAYS, days=1, total=num_events)
    _write(folder / "daily" / "events.parquet", daily)


def _write(path: Path, slices: Iterator[pa.Table]) -> None:
    first = next(slices)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in slices:
            writer.write_table(table)


def _slices(number: int, seed: int, *, first_day: int, days: int, total: int) -> Iterator[pa.Table]:
    """Events in order of time, `_SLICE` at a time."""
    rng = np.random.default_rng([seed, number])
    items, users = num_items(total), num_users(total)
    item_cdf, user_cdf = _cdf(items, 1.0), _cdf(users, 0.4)
    names = np.random.default_rng(seed + 7).permutation(
        items
    )  # the popular ones lie anywhere in the order of ids
    for begin in range(0, number, _SLICE):
        size = min(_SLICE, number - begin)
        span = days * _DAY_US / number
        at = (np.sort(rng.random(size) * size + begin) * span).astype(np.int64) + first_day * _DAY_US
        item = names[np.searchsorted(item_cdf, rng.random(size))]
        user = np.searchsorted(user_cdf, rng.random(size))
        yield pa.table(
            {
                "event_id": _named(f"e{first_day:03d}-", np.arange(begin, begin + size), 9),
                "user_id": _named("u", user, 8),
                "item_id": _named("i", item, 7),
                "event_type": pa.array(np.where(rng.random(size) < 0.1, "purchase", "view")),
                "timestamp": pa.array(at + int(BEGIN.timestamp()) * 1_000_000).cast(pa.timestamp("us", tz="UTC")),
                "value": pa.nulls(size, pa.float64()),
            }
        )  # fmt: skip


def _cdf(number: int, exponent: float) -> np.ndarray:
    weights = 1.0 / (np.arange(number) + 10.0) ** exponent
    total: np.ndarray = np.cumsum(weights)
    return total / total[-1]


def _named(prefix: str, numbers: np.ndarray, width: int) -> pa.Array:
    digits = np.char.zfill(numbers.astype(f"U{width}"), width)
    return pa.array(np.char.add(prefix, digits))


def _items(number: int, seed: int) -> pa.Table:
    rng = np.random.default_rng([seed, 3])
    ids = _named("i", np.arange(number), 7)
    category = rng.integers(0, NUM_CATEGORIES, (number, 2))
    brand = rng.integers(0, NUM_BRANDS, number)
    return pa.table(
        {
            "item_id": ids,
            "title": [f"thing {item}" for item in range(number)],
            "categories": [f"c{a:02d}|c{b:02d}" for a, b in category.tolist()],
            "attributes": [f"brand={b}" for b in brand.tolist()],
        }
    )


def fill(warehouse: Path, folder: Path, *, daily: bool = False) -> None:
    """Insert the source's rows as one batch; indexes of the events are made after a full load, as bulk loads do."""
    from components.data.schema import events
    from components.data.warehouse import open_warehouse

    engine = open_warehouse(f"sqlite:///{warehouse}")
    indexes = () if daily else tuple(events.indexes)
    for index in indexes:
        index.drop(engine)
    batch = _batch(engine, daily)
    with sqlite3.connect(warehouse) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        path = (folder / "daily" if daily else folder) / "events.parquet"
        for rows in pq.ParquetFile(path).iter_batches(100_000):
            connection.executemany("INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?)", _event_rows(rows, batch))
        if not daily:
            _insert_items(connection, pd.read_parquet(folder / "items.parquet"), batch)
        connection.commit()
    for index in indexes:
        index.create(engine)
    engine.dispose()


def _batch(engine: Engine, daily: bool) -> int:
    from components.data.chain import append_entry
    from components.data.schema import batches
    from components.data.warehouse import writing

    since, end = (END, DAILY_END) if daily else (None, END)
    at = [None if moment is None else int(moment.timestamp()) * 1_000_000 for moment in (since, end)]
    row = dict.fromkeys(_NONE_OF, 0) | {"source": "growth", "state": "landed", "why": "", "data_docs": ""}
    row |= {"digest": f"{int(daily):064x}", "landed_at": 0, "since_at": at[0], "as_of": at[1]}
    with writing(engine, "ingest") as connection:
        return append_entry(connection, batches, row)


def _event_rows(rows: pa.RecordBatch, batch: int) -> Iterator[tuple[object, ...]]:
    names = ("event_id", "user_id", "item_id", "event_type")
    ids = [rows[name].to_pylist() for name in names]
    at = rows["timestamp"].cast(pa.int64()).to_pylist()
    for event_id, user_id, item_id, kind, moment in zip(*ids, at, strict=True):
        yield event_id, user_id, item_id, kind, moment, None, "0" * 64, batch, None


def _insert_items(connection: sqlite3.Connection, items: pd.DataFrame, batch: int) -> None:
    at = int(BEGIN.timestamp()) * 1_000_000
    told = items[["item_id", "title", "categories", "attributes"]].itertuples(index=False, name=None)
    rows = [(i, t, None, c, a, None, None, at, at, batch) for i, t, c, a in told]
    connection.executemany("INSERT INTO items VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
    versions = [(r[0], batch, *r[1:9], None, 0) for r in rows]
    connection.executemany("INSERT INTO item_versions VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", versions)
