"""Ledgers that somebody changed behind recloop: nothing of it goes unseen, and a person can accept it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from components.data import chain
from components.data.alpha import accept_alpha, alpha_entries, checked_alpha, foresee_alpha, spend_alpha
from components.data.chain import LedgerBroken
from components.data.ingest import land_batch
from components.data.ledger import checked_ledger, promotions
from components.data.schema import promotions as table
from components.data.warehouse import open_warehouse, reading, writing
from tests.data.landing import batch, event
from tests.data.test_ledger import promote
from tests.data.test_migrations import at_revision
from tests.postgresql import Postgresql

PAGE = "SELECT rootpage FROM sqlite_master WHERE name = 'promotions'"
SHARES = (0.015, 0.006, 0.004)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/warehouse.db"
    else:
        server: Postgresql = request.getfixturevalue("postgresql")
        name = f"chain_{uuid.uuid4().hex}"
        server.new(name)
        url = server.url(name, "psycopg")
    opened = open_warehouse(url)
    yield opened
    opened.dispose()


def behind(engine: Engine, *statements: str) -> None:
    """As somebody does who has the database: the triggers first."""
    with writing(engine, "ledger") as connection:
        for name in ("promotions", "alpha_ledger"):
            if connection.dialect.name == "sqlite":
                for called in ("no_update", "no_delete", "wants_hash"):
                    connection.execute(text(f"DROP TRIGGER IF EXISTS {name}_{called}"))
            else:
                connection.execute(text(f"DROP TRIGGER IF EXISTS {name}_append_only ON {name}"))
        for statement in statements:
            connection.execute(text(statement))


def five(engine: Engine) -> None:
    for number in range(1, 6):
        promote(
            engine, str(number), str(number - 1) if number > 1 else None, evidence={"lead": 0.25 * number}
        )


def spend(engine: Engine, challenger: str, window: str = "w") -> float:
    return spend_alpha(
        engine, window=window, challenger=challenger, shares=SHARES, profile="p"
    ).alpha_one_sided


CHANGES = {
    "a column": ("UPDATE promotions SET version = '9' WHERE id = 3", "entry 3 is not what was written"),
    "a column to nothing": ("UPDATE promotions SET version = NULL WHERE id = 3", "entry 3 is not what"),
    "the evidence": ("UPDATE promotions SET evidence = '{}' WHERE id = 2", "entry 2 is not what was written"),
    "another model": ("UPDATE promotions SET model = 'other' WHERE id = 5", "entry 5 is not what was written"),
    "no hash": ("UPDATE promotions SET entry_hash = '' WHERE id = 4", "entry 4 is not what was written"),
    "one less": ("DELETE FROM promotions WHERE id = 3", "entry 4 was written after an entry"),
    "the first less": ("DELETE FROM promotions WHERE id = 1", "entry 2 was written after an entry"),
    "another number": ("UPDATE promotions SET id = 90 WHERE id = 2", "entry 3 was written after an entry"),
    "one put in": (
        "INSERT INTO promotions (id, action, model, verdict, actor, reason, evidence, at, previous_hash, entry_hash) "
        "VALUES (60, 'promote', 'recloop', 'PROMOTE', 'x', 'x', '{}', 0, '', '')", "entry 60 was written after"
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named_by_entry_and_how_to_go_on(engine: Engine, change: str):
    five(engine)
    assert checked_ledger(engine).entries == 5
    statement, said = CHANGES[change]
    behind(engine, statement)
    with pytest.raises(LedgerBroken, match=said) as told:
        checked_ledger(engine)
    assert "recloop restore" in str(told.value)
    assert "recloop reconcile --accept-ledger" in str(told.value)


def test_two_entries_that_changed_places_are_seen(engine: Engine):
    five(engine)
    behind(
        engine, "UPDATE promotions SET id = 92 WHERE id = 2", "UPDATE promotions SET id = 2 WHERE id = 4",
        "UPDATE promotions SET id = 4 WHERE id = 92",
    )  # fmt: skip
    with pytest.raises(LedgerBroken, match="entry 2"):
        checked_ledger(engine)


def test_entries_that_were_cut_off_are_missed(engine: Engine):
    five(engine)
    behind(engine, "DELETE FROM promotions WHERE id > 3")
    with pytest.raises(LedgerBroken, match="ends with entry 3, and entry 5 was written last"):
        checked_ledger(engine)
    behind(engine, "DELETE FROM promotions")
    with pytest.raises(LedgerBroken, match="ends with entry 0"):
        checked_ledger(engine)


def test_a_chain_that_was_written_anew_is_missed_by_its_head(engine: Engine):
    five(engine)
    behind(engine, "UPDATE promotions SET actor = 'x' WHERE id = 5")
    with reading(engine) as connection:
        (row,) = connection.execute(select(table).where(table.c.id == 5)).mappings()
    behind(engine, f"UPDATE promotions SET entry_hash = '{chain._hash(table, row)}' WHERE id = 5")
    with pytest.raises(LedgerBroken, match=r"its last entry 5 lies as \w+… and was written as"):
        checked_ledger(engine)


def test_what_is_written_after_a_cut_or_a_change_does_not_hide_it(engine: Engine):
    five(engine)
    behind(engine, "DELETE FROM promotions WHERE id > 3")
    promote(engine, "6", "5")
    with pytest.raises(LedgerBroken, match="was written after an entry"):
        checked_ledger(engine)


def test_an_entry_that_accepts_is_followed_by_a_chain_that_is_held_to_again(engine: Engine):
    five(engine)
    behind(engine, "UPDATE promotions SET actor = 'x' WHERE id = 2", "DELETE FROM promotions WHERE id = 4")
    accepting = promote(engine, "5", "5", is_accepting=True)
    promote(engine, "6", "5")
    found = checked_ledger(engine)
    assert (found.entries, found.accepted_by, found.last) == (
        6,
        accepting,
        promotions(engine, "recloop")[-1].id,
    )
    behind(engine, "UPDATE promotions SET actor = 'y' WHERE id = 2")  # what was accepted is held to as well
    with pytest.raises(LedgerBroken, match="entry 2"):
        checked_ledger(engine)


def test_an_outage_in_the_midst_of_reading_is_no_broken_ledger(tmp_path: Path):
    """Nothing may be accepted of it."""
    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    five(engine)
    with reading(engine) as connection:
        chain.checked_chain(connection, table)
        driver = connection.connection.driver_connection
        driver.set_progress_handler(lambda: 1, 1)
        with pytest.raises(OperationalError, match="interrupted"):
            chain.checked_chain(connection, table)
        driver.set_progress_handler(None, 0)


def test_a_page_that_is_damaged_leaves_only_the_backup(tmp_path: Path):
    path = tmp_path / "warehouse.db"
    engine = open_warehouse(f"sqlite:///{path}")
    five(engine)
    page, size = (connection_value(engine, sql) for sql in (PAGE, "PRAGMA page_size"))
    engine.dispose()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    engine = open_warehouse(f"sqlite:///{path}")
    with pytest.raises(
        LedgerBroken, match=r"promotions cannot be read.*Move the home away.*`recloop restore`"
    ) as told:
        checked_ledger(engine)
    assert "--accept-ledger" not in str(told.value)
    engine.dispose()


def connection_value(engine: Engine, sql: str) -> int:
    with reading(engine) as connection:
        return int(connection.execute(text(sql)).scalar_one())


def test_no_alpha_is_given_from_a_ledger_that_was_changed(engine: Engine):
    assert [spend(engine, name) for name in "abc"] == list(SHARES)
    behind(engine, "DELETE FROM alpha_ledger WHERE id = 2")
    for ask in (spend_alpha, foresee_alpha):
        with pytest.raises(LedgerBroken, match="alpha_ledger is broken: entry 3"):
            ask(engine, window="w", challenger="d", shares=SHARES, profile="p")
    accept_alpha(engine, "by ada")
    accept_alpha(engine, "by ada")  # of a ledger that is whole there is nothing to accept
    assert checked_alpha(engine).entries == 3
    assert spend(engine, "d") == SHARES[2]  # two of the window lie there, so this is the third
    assert len(alpha_entries(engine, "")) == 1


def test_entries_of_before_are_chained_as_they_lie(tmp_path: Path):
    url, before, tables = at_revision(tmp_path, "0006")
    _write_unchained(before, tables)
    before.dispose()
    engine = open_warehouse(url)
    assert (checked_ledger(engine).entries, checked_alpha(engine).entries) == (3, 1)
    promote(engine, "4", "3")
    assert spend(engine, "b") == SHARES[1]
    assert (checked_ledger(engine).entries, checked_alpha(engine).entries) == (4, 2)
    with pytest.raises(Exception, match="append-only"), writing(engine, "ledger") as connection:
        connection.execute(text("UPDATE promotions SET actor = 'x'"))
    behind(engine, "UPDATE promotions SET actor = 'x' WHERE id = 1")
    with pytest.raises(LedgerBroken, match="entry 1 is not"):
        checked_ledger(engine)


WITHOUT_HASHES = {
    "promotions": "(action, model, verdict, actor, reason, evidence, at) "
    "VALUES ('promote', 'm', 'v', 'a', 'r', '{}', 0)",
    "alpha_ledger": "(entry, window_digest, challenger_digest, attempt, alpha_one_sided, profile, at) "
    "VALUES ('spent', 'w', 'c', 1, 0.01, 'p', 0)",
    "batches": "(source, digest, state, received, accepted, quarantined, duplicates, items_received, items_new, "
    "items_updated, items_unchanged, items_quarantined, data_docs, landed_at, why) "
    "VALUES ('s', 'd', 'landed', 0, 0, 0, 0, 0, 0, 0, 0, 0, '', 0, '')",
    "quarantine": "(batch_id, kind, payload, reasons, state) VALUES (1, 'event', '{}', 'x', 'open')",
    "stage_journal": "(key, stage, run, output, seconds, peak_mb, finished_at) VALUES ('k', 's', 'r', '{}', 1, 1, 0)",
}


@pytest.mark.parametrize("name", WITHOUT_HASHES)
def test_what_a_release_before_writes_after_the_migration_is_refused(engine: Engine, name: str):
    """By a process that was not stopped: its rows would break the chain, or count as changed."""
    land_batch(engine, batch(event("e1", hours=1)))
    with pytest.raises(DBAPIError, match="hash"), writing(engine, "ledger") as connection:
        connection.execute(text(f"INSERT INTO {name} {WITHOUT_HASHES[name]}"))


def _write_unchained(engine: Engine, tables: MetaData) -> None:
    entry = {"action": "promote", "model": "recloop", "verdict": "PROMOTE", "actor": "gate", "reason": "ü 日"}
    promoted = [
        entry
        | {"version": str(n), "previous_version": str(n - 1) if n > 1 else None, "evidence": "{}", "at": n}
        for n in (1, 2, 3)
    ]
    spent = {"entry": "spent", "window_digest": "w", "challenger_digest": "a", "attempt": 1, "profile": "p"}
    with writing(engine, "ledger") as connection:
        connection.execute(insert(tables.tables["promotions"]), promoted)
        connection.execute(
            insert(tables.tables["alpha_ledger"]), [spent | {"alpha_one_sided": 0.015, "at": 1}]
        )
