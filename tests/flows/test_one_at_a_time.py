"""Four retrainings at once on one home: one trains to its end, three are refused by name, and nobody is cut off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from flows.local.engine_servers import local_servers
from flows.local.process import port_taken
from flows.settings import LOOPBACK, Settings
from tests.flows.conftest import free_ports
from tests.flows.worlds import ROOT, Home

pytestmark = pytest.mark.timeout(900)


def test_one_trains_and_three_are_refused(world: Path, tmp_path: Path) -> None:
    """They share the servers, which no one that leaves takes away; at the end nothing is left running."""
    prefect, mlflow = free_ports(2)
    settings = Settings(
        home=tmp_path / "home",
        prefect_port=prefect,
        mlflow_port=mlflow,
        prefect_api_url=f"http://{LOOPBACK}:{prefect}/api",
        mlflow_tracking_uri=f"http://{LOOPBACK}:{mlflow}",
    )
    home = Home(data=world, settings=settings)
    cut = pd.read_parquet(world / "events.parquet")["timestamp"].quantile(0.6).floor("s")
    command = (
        sys.executable, "-m", "flows.cli", "retrain", "--source", str(world), "--preset", "quick",
        "--train-cutoff", cut.isoformat(),
    )  # fmt: skip
    started = [
        subprocess.Popen(
            command, cwd=ROOT, env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    ended = [(process.communicate(timeout=800), process.returncode) for process in started]

    assert sorted(code for _, code in ended) == [0, 1, 1, 1], ended
    for (_, err), code in ended:
        if code:
            assert "LeaseHeld" in err
            assert "'retraining' is held by" in err
            assert "Traceback" not in err
    assert len(home.rows("SELECT cycle_id FROM cycles")) == 1
    assert len(home.ledger()) == 1
    assert not any(port_taken(LOOPBACK, server.port) for server in local_servers(settings))
    assert not list((settings.home / "run").glob("*.json"))
    assert not list((settings.home / "run" / "users").glob("*.json"))
