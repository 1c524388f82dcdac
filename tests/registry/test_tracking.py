"""One run a cycle; an outage costs seconds and no training."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient

from components.registry import tracking
from components.registry.tracking import NonFiniteMetric, TrackingRun, TrackingUnreachable
from components.registry.versions import champion, fetch_bundle
from flows.engine_environment import engine_environment
from flows.settings import load_settings

SECONDS_OF_OUTAGE = 15.0  # reliability.md, property 12: two requests of 7 s; MLflow's own setting takes 250 s
PATIENCE = ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES")


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What recloop tells MLflow's client of waiting, in its one place."""
    told = engine_environment(load_settings())
    for name in PATIENCE:
        monkeypatch.setenv(name, told[name])


@pytest.fixture
def silent_server(mlflow_here: str, patience: None) -> Iterator[str]:
    """Accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed_port(mlflow_here: str, patience: None) -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_cycle_has_one_run(mlflow_here: str):
    first = tracking.open_run(experiment="recloop", cycle="c1", name="cycle 1", tags={"source": "movielens"})
    again = tracking.open_run(experiment="recloop", cycle="c1", name="cycle 1", tags={"as_of": "1998"})
    other = tracking.open_run(experiment="recloop", cycle="c2", name="cycle 2", tags={})
    assert first == again
    assert other.run_id != first.run_id
    tags = MlflowClient().get_run(first.run_id).data.tags
    assert (tags["source"], tags["as_of"], tags["recloop.cycle"]) == ("movielens", "1998", "c1")


def test_an_active_run_ends_as_its_block_does(run: TrackingRun):
    client = MlflowClient()
    with tracking.active_run(run):
        assert client.get_run(run.run_id).info.status == "RUNNING"
    assert client.get_run(run.run_id).info.status == "FINISHED"
    with pytest.raises(ZeroDivisionError), tracking.active_run(run):
        1 / 0  # noqa: B018
    assert client.get_run(run.run_id).info.status == "FAILED"


def test_a_run_goes_on_after_what_was_done_inside_it(run: TrackingRun):
    client = MlflowClient()
    with tracking.inside_run(run):
        mlflow.log_param("by_feast", "recloop_v1")
    assert client.get_run(run.run_id).info.status == "RUNNING"
    assert client.get_run(run.run_id).data.params == {"by_feast": "recloop_v1"}
    with pytest.raises(ZeroDivisionError), tracking.inside_run(run):
        1 / 0  # noqa: B018
    assert client.get_run(run.run_id).info.status == "RUNNING"
    tracking.end_run(run, "FINISHED")
    assert client.get_run(run.run_id).info.status == "FINISHED"


def test_facts_are_logged_again_without_harm(run: TrackingRun):
    for _ in range(2):
        tracking.log_facts(run, params={"preset": "quick"}, metrics={"ndcg@10": 0.1}, tags={"seen": "yes"})
    found = MlflowClient().get_run(run.run_id)
    assert found.data.params == {"preset": "quick"}
    assert found.data.metrics == {"ndcg at 10": 0.1}


def test_how_long_to_wait_is_not_trackings_to_say(mlflow_here: str, monkeypatch: pytest.MonkeyPatch):
    for name in PATIENCE:
        monkeypatch.delenv(name)
    tracking.configure(mlflow_here)
    assert not set(PATIENCE) & os.environ.keys()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_final_metric_must_be_a_number(run: TrackingRun, value: float):
    with pytest.raises(NonFiniteMetric, match="ndcg@10"):
        tracking.log_facts(run, metrics={"ndcg@10": value})
    assert MlflowClient().get_run(run.run_id).data.metrics == {}


def test_a_curve_arrives_whole(run: TrackingRun):
    with tracking.training_curve(run, "mmgrec") as curve:
        for step in range(1, 702):
            curve.on_step(step, 701, {"loss": 1 / step, "validation": math.inf if step == 3 else 0.5})
    assert (curve.unsent, curve.why_unsent) == ([], "")
    client = MlflowClient()
    loss = client.get_metric_history(run.run_id, "training/mmgrec loss")
    assert sorted((point.step, point.value) for point in loss) == [(s, 1 / s) for s in range(1, 702)]
    third = client.get_metric_history(run.run_id, "training/mmgrec validation")[2]
    assert math.isnan(third.value)


def test_a_server_that_hangs_costs_seconds(silent_server: str):
    tracking.configure(silent_server)
    began = time.monotonic()
    with pytest.raises(TrackingUnreachable, match="recloop ui"):
        champion("any")
    assert time.monotonic() - began < SECONDS_OF_OUTAGE


def test_a_training_outlives_its_tracking(run: TrackingRun, closed_port: str):
    tracking.configure(closed_port)
    began = time.monotonic()
    with tracking.training_curve(run, "mmgrec") as curve:
        for step in range(2000):
            curve.on_step(step, 2000, {"loss": 1.0})
    assert time.monotonic() - began < SECONDS_OF_OUTAGE
    assert len(curve.unsent) == 2000
    assert closed_port in curve.why_unsent


def test_a_training_waits_once_for_a_server_that_hangs(run: TrackingRun, silent_server: str):
    tracking.configure(silent_server)
    began = time.monotonic()
    with tracking.training_curve(run, "mmgrec") as curve:
        for step in range(500):  # as many as are sent at once
            curve.on_step(step, 500, {"loss": 1.0})
        assert time.monotonic() - began > 2 * SECONDS_OF_OUTAGE / 3  # here it has waited
    assert time.monotonic() - began < SECONDS_OF_OUTAGE
    assert len(curve.unsent) == 500
    assert silent_server in curve.why_unsent


def test_asking_a_server_does_not_import_feast(closed_port: str):
    """Feast's plug-in for MLflow would: 6 s of every command line."""
    program = (
        "import sys\n"
        "from components.registry import tracking, versions\n"
        f"tracking.configure('{closed_port}')\n"
        "try: versions.aliases('any')\n"
        "except tracking.TrackingUnreachable: sys.exit(3 if 'feast' in sys.modules else 0)\n"
        "sys.exit(4)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_bundle_that_a_server_keeps_is_an_outage_while_only_its_database_is_read(
    mlflow_here: str, tmp_path: Path
):
    with pytest.raises(TrackingUnreachable, match="recloop ui"):
        fetch_bundle("mlflow-artifacts:/1/models/m-1", "d" * 64, tmp_path)


def test_an_outage_shows_no_password_of_the_database(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: "postgresql://me:canary@127.0.0.1:1/x")
    with pytest.raises(TrackingUnreachable, match=r"me:\*\*\*@127") as told, tracking.reaching_tracking():
        raise requests.ConnectionError("canary is refused")
    assert "canary" not in str(told.value)
