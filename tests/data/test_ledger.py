from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, insert, update
from sqlalchemy.exc import IntegrityError

from components.data.ledger import append_promotion, current_champion, promotions
from components.data.schema import promotions as table
from components.data.warehouse import open_warehouse, writing

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def promote(engine: Engine, version: str | None, previous: str | None, **others: object) -> int:
    entry = {"action": "promote", "model": "recloop", "verdict": "PROMOTE", "actor": "gate", "reason": "r"}
    entry |= {"version": version, "previous_version": previous, "expected_version": previous, "evidence": {}}
    return append_promotion(engine, **entry | others)  # type: ignore[arg-type]


def test_the_last_entry_names_the_champion(engine: Engine):
    assert current_champion(engine, "recloop") is None
    promote(engine, "1", None)
    promote(engine, "2", "1")
    promote(engine, "9", None, model="other")
    assert current_champion(engine, "recloop") == "2"
    promote(engine, "1", "2", action="rollback")
    assert current_champion(engine, "recloop") == "1"
    promote(engine, None, "1", action="rollback")
    assert current_champion(engine, "recloop") is None


def test_an_entry_keeps_all_that_was_said(engine: Engine):
    number = promote(engine, "2", "1", evidence={"lift": [0.01, 0.03]}, now=lambda: NOW)
    (entry,) = promotions(engine, "recloop")
    assert (entry.id, entry.action, entry.version, entry.previous_version) == (number, "promote", "2", "1")
    assert (entry.evidence, entry.at, entry.actor) == ({"lift": [0.01, 0.03]}, NOW, "gate")


def test_entries_come_in_order_and_numbers_grow(engine: Engine):
    numbers = [promote(engine, str(n), None) for n in range(12)]
    assert numbers == sorted(set(numbers))
    assert [entry.version for entry in promotions(engine, "recloop")] == [str(n) for n in range(12)]


@pytest.mark.parametrize("statement", [update(table).values(version="7"), delete(table)])
def test_the_database_refuses_to_rewrite_history(engine: Engine, statement):
    promote(engine, "1", None)
    with pytest.raises(IntegrityError, match="append-only"), writing(engine, "ledger") as connection:
        connection.execute(statement)
    assert current_champion(engine, "recloop") == "1"


def test_what_moves_no_champion_has_no_place_in_the_ledger(engine: Engine):
    with pytest.raises(IntegrityError, match="known_action"):
        promote(engine, "1", None, action="refused")
    with pytest.raises(IntegrityError), writing(engine, "ledger") as connection:
        connection.execute(insert(table).values(action="promote", model="recloop"))
    assert promotions(engine, "recloop") == []


def test_evidence_that_is_not_a_number_is_refused(engine: Engine):
    with pytest.raises(ValueError, match="JSON"):
        promote(engine, "1", None, evidence={"lift": float("inf")})
