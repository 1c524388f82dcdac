"""A database of an earlier checkout, with rows in it, is brought to this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData, insert, select

import components.data
from components.data import warehouse
from components.data.ingest import batch_results, land_batch
from components.data.moments import to_micros
from components.data.recommendations import lists_of
from components.data.schema import events, metadata, quarantine, recommendation_runs
from components.data.served_runs import current_run
from components.data.snapshot import read_events, read_items, take_snapshot
from components.data.warehouse import open_warehouse, reading, writing
from tests.data.landing import at, batch, event, item

COUNTS = ("received", "accepted", "quarantined", "duplicates", "items_received", "items_new", "items_updated",
          "items_unchanged", "items_quarantined")  # fmt: skip


def at_revision(folder: Path, revision: str) -> tuple[str, Engine, MetaData]:
    url = f"sqlite:///{folder}/warehouse.db"
    engine = warehouse._connect(warehouse.make_url(url))
    config = Config()
    config.set_main_option("script_location", str(Path(components.data.__path__[0]) / "migrations"))
    with writing(engine, "schema") as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    tables = MetaData()
    tables.reflect(engine)
    return url, engine, tables


def fill(engine: Engine, tables: MetaData) -> None:
    """Two batches, an item, a quarantined row, and what was served."""
    rows: dict[str, list[dict[str, Any]]] = {
        "batches": [
            dict.fromkeys(COUNTS, 0) | {"received": 2, "accepted": 1, "quarantined": 1, "items_received": 1}
            | {"items_new": 1, "digest": "a", "source": "test", "state": "landed", "why": "", "data_docs": ""}
            | {"landed_at": 1},
            dict.fromkeys(COUNTS, 0) | {"received": 1, "accepted": 1, "digest": "b", "source": "test"}
            | {"state": "landed", "why": "", "data_docs": "", "landed_at": 2},
        ],
        "events": [
            {"event_id": name, "user_id": "u1", "item_id": "i1", "event_type": "rating", "value": 1.0}
            | {"occurred_at": to_micros(at(hours)), "payload_hash": "", "batch_id": number}
            for name, hours, number in (("a", 0, 1), ("b", 10, 1))
        ],
        "items": [
            {"item_id": "i1", "title": "One", "described_at": to_micros(at(0)), "batch_id": 1}
        ],
        "quarantine": [
            {"batch_id": 1, "kind": "event", "payload": "{}", "reasons": "bad_id", "state": "open"}
        ],
        "recommendations": [
            {"user_id": user, "item_id": f"i{rank}", "rank": rank, "score": 0.5, "model_version": "3"}
            | {"served_at": served}
            for user, served in (("u1", 5), ("u2", 5), ("u1", 6))
            for rank in (1, 2)
        ],
    }  # fmt: skip
    with writing(engine, "everything") as connection:
        for table, content in rows.items():
            connection.execute(insert(tables.tables[table]), content)


def test_a_database_of_0002_keeps_its_rows_and_is_read_as_before(tmp_path: Path):
    url, before, tables = at_revision(tmp_path, "0002")
    fill(before, tables)
    before.dispose()
    engine = open_warehouse(url)
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.execute(select(events.c.known_at)).scalars().all() == [None, None]
        assert connection.execute(select(quarantine.c.state)).scalars().all() == ["open"]
        runs = connection.execute(select(recommendation_runs)).mappings().all()
    assert [(run["model_version"], run["is_batch"]) for run in runs] == [("3", False)] * 3
    assert current_run(engine) is None
    of_user = [lists_of(engine, "u1", run=run["run"]) for run in runs]
    assert sorted(found["item_id"].tolist() for found in of_user) == [[], ["i1", "i2"], ["i1", "i2"]]
    assert [(r.batch_id, r.accepted, r.late) for r in batch_results(engine)] == [(1, 1, 0), (2, 1, 0)]
    ref = take_snapshot(engine, tmp_path, end=at(11))
    assert read_events(ref)["event_id"].tolist() == ["a", "b"]
    assert read_items(ref)["title"].tolist() == ["One"]


def test_what_comes_late_to_a_migrated_database_is_late(tmp_path: Path):
    """The batches before reach at least to their last event, at 10 h."""
    url, before, tables = at_revision(tmp_path, "0002")
    fill(before, tables)
    before.dispose()
    engine = open_warehouse(url)
    second = batch(event("late", hours=3), event("c", hours=15), items=(item("i1", "Uno"),), as_of_hours=20)
    assert land_batch(engine, second).late == 1
    assert read_items(take_snapshot(engine, tmp_path, end=at(12)))["title"].tolist() == ["One"]
    ref = take_snapshot(engine, tmp_path, end=at(20))
    assert read_events(ref)["event_id"].tolist() == ["a", "late", "b", "c"]
    assert read_items(ref)["title"].tolist() == ["Uno"]
    assert read_events(take_snapshot(engine, tmp_path, end=at(12)))["event_id"].tolist() == ["a", "b"]
