from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine, func, select

from components.data import recommendations as module
from components.data.list_rows import whole_lists
from components.data.recommendations import (
    NoLists,
    ScoringMismatch,
    lists_of,
    publish_run,
    record_list,
    restore_run,
    write_lists,
)
from components.data.schema import recommendations
from components.data.served_runs import ScoringRun, current_run
from components.data.warehouse import open_warehouse, reading

NOW = datetime(2024, 1, 9, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def run_of(version: str, run: str | None = None) -> ScoringRun:
    return ScoringRun(
        run=run or f"run-{version}", model_version=version, bundle="b" * 64, feature_set="f" * 64
    )


def lists(*users: str, length: int = 2, prefix: str = "i") -> pd.DataFrame:
    rows = [
        {"user_id": user, "rank": rank, "item_id": f"{prefix}{rank}", "score": 1 / rank}
        | {"features_as_of": NOW - timedelta(days=1), "scored_at": NOW}
        for user in users
        for rank in range(1, length + 1)
    ]
    return pd.DataFrame(rows)


def num_rows(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(recommendations)).scalar_one()


def test_a_list_is_served_once_its_run_is_published_and_names_all_it_is_traced_by(engine: Engine):
    assert write_lists(engine, run_of("3"), lists("u1", "u2")) == 4
    assert current_run(engine) is None
    assert lists_of(engine, "u1").empty
    publish_run(engine, "run-3", now=lambda: NOW)
    served = current_run(engine)
    assert (served.run, served.action, served.at) == (run_of("3"), "publish", NOW)
    found = lists_of(engine, "u1")
    assert found["item_id"].tolist() == ["i1", "i2"]
    assert found["score"].tolist() == [1.0, 0.5]
    assert found[["model_version", "bundle", "feature_set", "run"]].drop_duplicates().values.tolist() == [
        ["3", "b" * 64, "f" * 64, "run-3"]
    ]
    assert found["features_as_of"].tolist() == [pd.Timestamp(NOW) - pd.Timedelta(days=1)] * 2
    assert found["scored_at"].tolist() == [pd.Timestamp(NOW)] * 2
    assert lists_of(engine, "nobody").dtypes.tolist()[4:6] == found.dtypes.tolist()[4:6]


def test_writing_again_adds_nothing_and_what_stands_stays(engine: Engine):
    write_lists(engine, run_of("3"), lists("u1"))
    assert write_lists(engine, run_of("3"), lists("u1", "u2", prefix="x")) == 2
    assert lists_of(engine, "u1", run="run-3")["item_id"].tolist() == ["i1", "i2"]
    assert lists_of(engine, "u2", run="run-3")["item_id"].tolist() == ["x1", "x2"]


def test_features_without_a_moment(engine: Engine):
    write_lists(engine, run_of("3"), lists("u1").assign(features_as_of=pd.NaT))
    assert lists_of(engine, "u1", run="run-3")["features_as_of"].isna().all()


def test_a_run_keeps_to_the_model_it_was_begun_with(engine: Engine):
    write_lists(engine, run_of("3", "nightly"), lists("u1"))
    with pytest.raises(ScoringMismatch, match=r"begun by version 3 .* are of version 4"):
        write_lists(engine, run_of("4", "nightly"), lists("u2"))
    assert num_rows(engine) == 2


def test_lists_in_pieces_and_without_a_column_are_refused(engine: Engine):
    with pytest.raises(ValueError, match="do not stand together"):
        write_lists(engine, run_of("3"), lists("u1", "u2").iloc[[0, 2, 1, 3]])
    with pytest.raises(ValueError, match="no column 'score'"):
        write_lists(engine, run_of("3"), lists("u1").drop(columns="score"))
    with pytest.raises(NoLists, match="run-3"):
        publish_run(engine, "run-3")
    assert num_rows(engine) == 0


def test_a_rollback_serves_the_lists_of_the_version_before(engine: Engine):
    for version in ("3", "4"):
        write_lists(engine, run_of(version), lists("u1", prefix=version))
        publish_run(engine, f"run-{version}")
    write_lists(engine, run_of("3", "never-served"), lists("u1", prefix="n"))
    assert lists_of(engine, "u1")["item_id"][0] == "41"
    assert restore_run(engine, "3").run.run == "run-3"
    assert (current_run(engine).action, lists_of(engine, "u1")["item_id"][0]) == ("restore", "31")
    assert restore_run(engine, "9") is None
    assert current_run(engine).run.run == "run-3"
    again = current_run(engine)
    assert publish_run(engine, "run-3") == again  # served already: the pointer does not move


def test_one_list_on_demand_neither_shows_among_the_served_nor_clashes_with_itself(engine: Engine):
    for _ in range(2):
        record_list(
            engine, user_id="u1", item_ids=["i2", "i1"], scores=[0.9, 0.1], model_version="3", now=lambda: NOW
        )
    assert num_rows(engine) == 4
    assert current_run(engine) is None
    with reading(engine) as connection:
        runs = connection.execute(select(recommendations.c.run).distinct()).scalars().all()
    found = lists_of(engine, "u1", run=runs[0])
    assert (found["item_id"].tolist(), found["model_version"].tolist()) == (["i2", "i1"], ["3", "3"])
    with pytest.raises(ValueError, match=r"shorter|longer"):
        record_list(engine, user_id="u1", item_ids=["i2"], scores=[], model_version="3")


def test_many_lists_go_in_several_transactions_of_whole_lists(engine: Engine, monkeypatch):
    monkeypatch.setattr(module, "_ROWS_A_TRANSACTION", 5)
    many = lists(*(f"u{n:03d}" for n in range(40)), length=3)
    sizes = [rows.stop - rows.start for rows in whole_lists(many["user_id"].tolist(), 5)]
    assert (sum(sizes), set(sizes)) == (120, {6})
    assert write_lists(engine, run_of("3"), many) == 120


WRITE = """
import sys
from components.data import recommendations as module
from components.data.list_rows import whole_lists
from components.data.warehouse import open_warehouse
from tests.data.test_recommendations import lists, run_of
module._ROWS_A_TRANSACTION = 4
engine = open_warehouse(sys.argv[1])
module.write_lists(engine, run_of("3"), lists("u0", "u1"))
module.crash_point = lambda name: __import__("components.faults").faults.crash_point(name + "-second")
print(module.write_lists(engine, run_of("3"), lists("u0", "u1", "u2", "u3")))
"""


def test_killed_while_writing_whole_lists_are_there_and_a_rerun_adds_the_rest(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/warehouse.db"

    def write(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", WRITE, url],
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )

    assert write(CRASH_AT="recommendations:before-commit-second").returncode == -signal.SIGKILL
    assert num_rows(open_warehouse(url)) == 4
    assert write().stdout.strip() == "4"
    assert num_rows(open_warehouse(url)) == 8
