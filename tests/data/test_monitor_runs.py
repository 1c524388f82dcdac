"""Looks at a model: by the time that they speak of, the same one once, each model its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from components.data.monitor_runs import MonitorRun, monitor_runs, record_monitor_run
from components.data.warehouse import open_warehouse

NOW = datetime(2024, 6, 1, 12, 0, 0, 5, tzinfo=UTC)
SINCE = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def look(engine: Engine, days: int, status: str = "ok", model: str = "m", version: str = "1") -> None:
    record_monitor_run(
        engine, model=model, version=version, since=SINCE, as_of=SINCE + timedelta(days=days),
        status=status, result={"days": days, "value": None}, now=lambda: NOW,
    )  # fmt: skip


def test_a_look_comes_back_whole(engine: Engine) -> None:
    look(engine, 7)
    assert monitor_runs(engine, "m") == [
        MonitorRun(
            model="m", version="1", since_at=SINCE, as_of=SINCE + timedelta(days=7), status="ok",
            result={"days": 7, "value": None}, measured_at=NOW,
        )
    ]  # fmt: skip


def test_in_order_of_time_the_last_ones_and_of_this_model(engine: Engine) -> None:
    for days in (9, 3, 6):
        look(engine, days)
    look(engine, 5, model="other")
    assert [run.result["days"] for run in monitor_runs(engine, "m")] == [3, 6, 9]
    assert [run.result["days"] for run in monitor_runs(engine, "m", limit=2)] == [6, 9]


def test_the_same_look_again_replaces_its_entry(engine: Engine) -> None:
    look(engine, 7)
    look(engine, 7, status="drift")
    look(engine, 7, version="2")
    assert [(run.version, run.status) for run in monitor_runs(engine, "m")] == [("1", "drift"), ("2", "ok")]


def test_what_is_no_json_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="JSON"):
        record_monitor_run(
            engine, model="m", version="1", since=SINCE, as_of=NOW, status="ok", result={"x": float("nan")}
        )
    assert monitor_runs(engine, "m") == []
