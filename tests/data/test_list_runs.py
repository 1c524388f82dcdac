"""Old runs of lists: what is served stays, and what a rollback would serve; the rest goes when it is old."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from components.data import list_runs as module
from components.data.list_runs import drop_run, kept_runs, prunable_runs
from components.data.recommendations import lists_of, publish_run, record_list, restore_run, write_lists
from components.data.served_runs import current_run
from components.data.warehouse import open_warehouse, reading
from tests.data.test_recommendations import NOW, lists, num_rows, run_of

DAY = timedelta(days=1)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def served(engine: Engine, version: str, run: str, days: float) -> None:
    write_lists(engine, run_of(version, run), lists("u1", "u2"), now=lambda: NOW - days * DAY)
    publish_run(engine, run)


def old(engine: Engine) -> dict[str, int]:
    return {run.run: run.num_rows for run in prunable_runs(engine, begun_before=NOW - 5 * DAY)}


def test_the_served_run_and_the_one_of_a_rollback_stay(engine: Engine):
    """Version 3 served "a" and "b", version 4 "c" and "d": a rollback would bring "b" back."""
    for run, version, days in (("a", "3", 40), ("b", "3", 39), ("c", "4", 38), ("d", "4", 37)):
        served(engine, version, run, days)
    write_lists(engine, run_of("4", "never served"), lists("u1"), now=lambda: NOW - 36 * DAY)
    write_lists(engine, run_of("4", "young"), lists("u1"), now=lambda: NOW)
    with reading(engine) as connection:
        assert [run.run for run in kept_runs(connection)] == ["d", "b"]
    assert old(engine) == {"a": 4, "c": 4, "never served": 2}
    for run in (*old(engine), "d", "b"):  # the last two are not to go, whoever asks
        drop_run(engine, run)
    assert old(engine) == {}
    assert num_rows(engine) == 4 + 4 + 2
    assert current_run(engine).run.run == "d"
    assert restore_run(engine, "3").run.run == "b"
    assert lists_of(engine, "u1")["item_id"].tolist() == ["i1", "i2"]


def test_one_list_on_demand_goes_with_its_run(engine: Engine):
    record_list(
        engine, user_id="u1", item_ids=["i1"], scores=[1.0], model_version="3", now=lambda: NOW - 9 * DAY
    )
    (run,) = prunable_runs(engine, begun_before=NOW)
    assert (run.is_batch, run.num_rows, run.begun_at) == (False, 1, NOW - 9 * DAY)
    drop_run(engine, run.run)
    assert num_rows(engine) == 0
    write_lists(engine, run_of("4", run.run), lists("u1"))  # its name is free again: no line of it is left


def test_a_large_run_goes_in_short_transactions(engine: Engine, monkeypatch):
    monkeypatch.setattr(module, "_ROWS_A_TRANSACTION", 3)
    write_lists(engine, run_of("3", "large"), lists(*(f"u{n:02d}" for n in range(20))))
    write_lists(engine, run_of("3", "other"), lists("u1"))
    drop_run(engine, "large")
    assert num_rows(engine) == 2
