"""A SQLite file whose bytes were changed where no statement fails for it: in the schema's text, in an index."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from components.data.damage import damage_in
from components.data.ingest import land_batch
from components.data.ledger import append_promotion, last_promotion, promotions
from components.data.quarantine import list_quarantine
from components.data.warehouse import WarehouseUnreachable, open_warehouse, reading
from tests.data.landing import bad, batch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A warehouse of three rows in quarantine and three promotions, in one file."""
    path = tmp_path / "warehouse.db"
    engine = open_warehouse(f"sqlite:///{path}")
    land_batch(engine, batch(quarantined=tuple(bad("x", row=n) for n in range(3))))
    for number in range(3):
        append_promotion(
            engine, action="promote", model="model-m", version=str(number), previous_version=None,
            expected_version=None, verdict="PROMOTE", actor="a", reason="r", evidence={},
        )  # fmt: skip
    engine.dispose()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    return path


def change(path: Path, was: bytes, now: bytes) -> None:
    content = path.read_bytes()
    assert was in content
    path.write_bytes(content.replace(was, now))


def misplace(path: Path, index: str, key: bytes) -> None:
    """A row of the index stands under another key."""
    with closing(sqlite3.connect(path)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (index,)).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    place = content.rindex(key, size * (page - 1), size * page)
    content[place] ^= 1
    path.write_bytes(content)


def test_a_column_that_has_lost_its_name_is_damage_and_a_wrong_statement_is_not(path: Path):
    engine = open_warehouse(f"sqlite:///{path}")
    with pytest.raises(OperationalError, match="no such column"), reading(engine) as connection:
        connection.execute(text("SELECT no_column FROM quarantine"))
    engine.dispose()
    change(path, b"resolved_batch_id", b"resolved_catch_id")
    with pytest.raises(
        WarehouseUnreachable, match=r"table quarantine has no column resolved_batch_id.*backup"
    ):
        list_quarantine(open_warehouse(f"sqlite:///{path}"))


def test_a_schema_that_is_no_text_is_damage(path: Path):
    change(path, b"CREATE TABLE quarantine", b"CREATE T\xdfBLE quarantine")
    with pytest.raises(WarehouseUnreachable, match=r"is no text any more.*backup"):
        open_warehouse(f"sqlite:///{path}")


@pytest.mark.parametrize(
    ("index", "key"), [("ix_quarantine_state", b"open"), ("ix_promotions_model", b"model-m")]
)
def test_an_index_that_lost_a_row_is_told_and_hides_none(path: Path, index: str, key: bytes):
    engine = open_warehouse(f"sqlite:///{path}")
    assert damage_in(engine, with_indexes=True) is None
    engine.dispose()
    misplace(path, index, key)
    engine = open_warehouse(f"sqlite:///{path}")
    assert index in (damage_in(engine, with_indexes=True) or "")
    last = last_promotion(engine, "model-m")
    assert (len(list_quarantine(engine)), len(promotions(engine, "model-m")), last and last.version) == (
        3,
        3,
        "2",
    )
