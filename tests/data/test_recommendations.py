"""Served lists on record: ranks from 1, one moment, and all or nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from components.data.moments import to_micros
from components.data.recommendations import record_list
from components.data.schema import recommendations
from components.data.warehouse import open_warehouse, reading

SERVED = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def _rows(engine: Engine) -> list[tuple]:
    table = recommendations.c
    query = select(
        table.user_id, table.item_id, table.rank, table.score, table.model_version, table.served_at
    )
    with reading(engine) as connection:
        return sorted((tuple(row) for row in connection.execute(query)), key=lambda row: row[2])


def _record(engine: Engine, item_ids: list[str], scores: list[float]) -> None:
    record_list(engine, user_id="u", item_ids=item_ids, scores=scores, model_version="3", now=lambda: SERVED)


def test_a_list_is_kept_best_first(engine: Engine):
    _record(engine, ["b", "a"], [0.5, -1.0])
    at = to_micros(SERVED)
    assert _rows(engine) == [("u", "b", 1, 0.5, "3", at), ("u", "a", 2, -1.0, "3", at)]


def test_an_empty_list_leaves_nothing_and_an_uneven_one_is_refused(engine: Engine):
    _record(engine, [], [])
    with pytest.raises(ValueError, match="shorter"):
        _record(engine, ["a", "b"], [1.0])
    assert _rows(engine) == []
