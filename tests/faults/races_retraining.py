"""Eight retrainings at once on one home, by the command itself: one trains to its end, seven are refused by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.fault import Outcome

if TYPE_CHECKING:
    from flows.settings import Settings

_PATIENCE = 1_800.0  # seconds


def retrainings(folder: Path, number: int) -> Outcome:
    """They share the servers, which the last to leave takes away."""
    import pandas as pd

    from components.data.sources.synthetic import write_synthetic
    from flows.local.engine_servers import local_servers
    from flows.local.process import port_taken
    from flows.settings import LOOPBACK
    from tests.flows.worlds import ROOT, WORLD, Home

    folder.mkdir(parents=True)
    world = write_synthetic(WORLD, folder / "small-world")
    home = Home(data=world, settings=_settings(folder / "home"))
    cut = pd.read_parquet(world / "events.parquet")["timestamp"].quantile(0.6).floor("s")
    command = [sys.executable, "-m", "flows.cli", "retrain", "--source", str(world), "--preset", "quick"]
    command += ["--train-cutoff", cut.isoformat()]
    started = [
        subprocess.Popen(
            command, cwd=ROOT, env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(number)
    ]
    try:
        ended = [(process.communicate(timeout=_PATIENCE)[0], process.returncode) for process in started]
    finally:
        for process in started:
            process.kill()
    refused = [said for said, code in ended if code]
    by_name = [said for said in refused if _is_refused_by_name(said)]
    wrong = [f"refused otherwise: {said[-300:]}" for said in refused if said not in by_name]
    if (codes := sorted(code for _, code in ended)) != [0] + [1] * (number - 1):
        wrong.append(f"they ended with {codes}")
    for what, found in (
        ("cycles", len(home.rows("SELECT cycle_id FROM cycles"))),
        ("promotions", len(home.ledger())),
    ):
        if found != 1:
            wrong.append(f"{found} {what}")
    if left := [server.name for server in local_servers(home.settings) if port_taken(LOOPBACK, server.port)]:
        wrong.append(f"still running: {', '.join(left)}")
    return Outcome(fired=len(by_name) == number - 1, violations=tuple(wrong))


def _is_refused_by_name(said: str) -> bool:
    return "LeaseHeld" in said and "'retraining' is held by" in said and "Traceback" not in said


def _settings(home: Path) -> Settings:
    from flows.settings import LOOPBACK, Settings
    from tests.flows.conftest import free_ports

    prefect, mlflow = free_ports(2)
    return Settings(
        home=home, prefect_port=prefect, mlflow_port=mlflow,
        prefect_api_url=f"http://{LOOPBACK}:{prefect}/api", mlflow_tracking_uri=f"http://{LOOPBACK}:{mlflow}",
    )  # fmt: skip
