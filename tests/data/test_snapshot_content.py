"""Figures and items of a cut against a loop over the rows, late events among them, on the indexes that answer."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import Engine, func, insert, select

from components.data.ingest import land_batch
from components.data.schema import events
from components.data.snapshot_content import Counted, count_within, items_before
from components.data.warehouse import open_warehouse, reading, writing
from tests.data.landing import batch, event


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    engine = open_warehouse(f"sqlite:///{tmp_path_factory.mktemp('content')}/warehouse.db")
    land_batch(engine, batch(event("first")))  # a batch to belong to
    return engine


@pytest.mark.parametrize("seed", range(12))
def test_against_a_loop_over_the_rows(engine: Engine, seed: int):
    """Users and items all of whose events came late; half of all events of one item; moments before 1970."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "event_id": f"e{number}", "user_id": f"u{rng.integers(9)}",
            "item_id": "half" if rng.random() < 0.5 else f"i{rng.integers(9)}", "event_type": "view",
            "occurred_at": int(rng.integers(-20, 20)), "payload_hash": "0" * 64, "batch_id": 1,
            "known_at": int(rng.integers(-20, 60)) if rng.random() < rng.choice([0, 0.3, 0.8]) else None,
        }
        for number in range(int(rng.integers(1, 60)))
    ]  # fmt: skip
    with writing(engine, "content") as connection:
        connection.execute(events.delete())
        connection.execute(insert(events), rows)
    for _ in range(8):
        until, known = int(rng.integers(-20, 22)), int(rng.integers(-20, 50))
        begin = None if rng.random() < 0.5 else int(rng.integers(-20, 20))
        in_cut = [
            r for r in rows if r["occurred_at"] < until and (begin is None or r["occurred_at"] >= begin)
        ]
        seen = [r for r in in_cut if r["known_at"] is None or r["known_at"] <= known]
        expected = Counted(
            users=len({r["user_id"] for r in seen}),
            late=sum(r["known_at"] is not None for r in seen),
            left_out=len(in_cut) - len(seen),
        )
        before = [
            r for r in rows if r["occurred_at"] < until and (r["known_at"] is None or r["known_at"] <= known)
        ]
        firsts = {
            r["item_id"]: min(o["occurred_at"] for o in before if o["item_id"] == r["item_id"])
            for r in before
        }
        with reading(engine) as connection:
            assert count_within(connection, begin, until, known) == expected
            items = items_before(connection, until, known)
        assert items["item_id"].to_pylist() == sorted(firsts)
        assert [at.value // 1000 for at in items["first_event_at"].to_pandas()] == [
            firsts[i] for i in sorted(firsts)
        ]


@pytest.mark.parametrize("column", [events.c.user_id, events.c.item_id])
def test_the_index_of_users_and_of_items_answers_alone(engine: Engine, column):
    """SQLite's plan: another one costs a look-up in the table for every event."""
    distinct = select(column).where(events.c.occurred_at + 0 < 5).distinct()
    grouped = select(column, func.min(events.c.occurred_at)).group_by(column)
    for query in (distinct, grouped):
        sql = str(query.compile(engine, compile_kwargs={"literal_binds": True}))
        with reading(engine) as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").fetchall()
        assert "USING COVERING INDEX events_of_" in str(plan)
        assert "TEMP B-TREE" not in str(plan)
