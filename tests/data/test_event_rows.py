"""A batch's events in columns: judged in pieces as in one, hashed as ever, and landed whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, func, inspect, select

from components.data.event_rows import event_rows, sort_events
from components.data.ingest import land_batch
from components.data.knowledge import Knowledge, knowledge_of
from components.data.schema import batches, events, items, quarantine
from components.data.warehouse import WarehouseUnreachable, open_warehouse, reading
from tests.data.landing import NOON, batch, event, item

BLANK = Knowledge(since=None, as_of=None, told=(), clock=None)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


@pytest.mark.parametrize(
    ("value", "written"), [(1.0, "1.0"), (None, "None"), (-0.0, "-0.0"), (1e22, "1e+22")]
)
def test_a_payload_is_hashed_as_in_warehouses_of_before(value: float | None, written: str):
    """User and item with their lengths in characters, the type, the microsecond and the value as Python writes it."""
    rows = event_rows(batch(event("a", user="ü1", item="i|", value=value)).events, BLANK)
    spelled = f"2:ü12:i|6:rating{NOON.value // 1000} {written}"
    (digest,) = rows.payload_digests(np.array([0]))
    assert bytes(digest).hex() == hashlib.sha256(spelled.encode()).hexdigest()


def test_late_events_are_those_to_which_knowledge_gives_a_moment():
    told = Knowledge(since=5, as_of=40, told=((8, 12), (20, 25)), clock=30)
    moments = [*range(3, 30)]
    frame = batch(*(event(f"e{at}", hours=at) for at in moments)).events
    hour, noon = 3_600_000_000, NOON.value // 1000
    scaled = Knowledge(
        since=noon + told.since * hour, as_of=noon + 40 * hour,
        told=tuple((noon + a * hour, noon + b * hour) for a, b in told.told), clock=noon + 30 * hour,
    )  # fmt: skip
    rows = event_rows(frame, scaled)
    one_by_one = [scaled.of_event(int(at)) for at in rows.occurred_at]
    assert [rows.late if late else None for late in rows.is_late] == one_by_one
    assert sum(late is None for late in one_by_one) == len(moments) - 2 - 4 - 5


def test_a_disk_that_fills_while_a_batch_lands_leaves_nothing_of_it(engine: Engine):
    """So many events that the empty table's indexes are made behind them; they are there again afterwards."""
    arriving = batch(*(event(f"e{n}", user=f"u{n % 9}") for n in range(10_000)), items=(item("i1"),))

    def keep_to(num_pages: int) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={num_pages}")

    before = inspect(engine).get_indexes("events")
    keep_to(400)  # on the pool's one connection
    with pytest.raises(WarehouseUnreachable, match=r"is full\. Nothing of what was being written is there"):
        land_batch(engine, arriving)
    with reading(engine) as connection:
        for table in (events, items, quarantine, batches):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0
    assert inspect(engine).get_indexes("events") == before
    keep_to(1_000_000)
    assert land_batch(engine, arriving).accepted == 10_000
    assert inspect(engine).get_indexes("events") == before


@pytest.mark.parametrize("num_known", [0, 7])
def test_ids_that_repeat_across_pieces_are_judged_as_within_one(engine: Engine, num_known: int):
    """Of each id three rows: the first stands (or what is known), the second repeats it, the third contradicts it."""
    ids = [f"e{n:02d}" for n in range(20)]
    land_batch(engine, batch(*(event(one) for one in ids[:num_known])))
    arriving = batch(*(event(one, value=value) for value in (1.0, 1.0, 2.0) for one in ids))
    with reading(engine) as connection:
        told = event_rows(arriving.events, knowledge_of(connection, since=None, as_of=None))
        for size in (4, 7, 60):
            found = sort_events(connection, told, rows_at_once=size)
            assert found.fresh.tolist() == list(range(num_known, 20))
            assert [row["source_row"] for row in found.conflicts] == list(range(40, 60))
            assert found.num_duplicates == 20 + num_known
