"""The same through a real MLflow server, configured as recloop runs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from components.data.warehouse import Engine
from components.registry import tracking
from components.registry.promotion import promote, rollback
from components.registry.registration import register_bundle
from components.registry.versions import champion, download_bundle
from tests.registry.conftest import make_bundle

START_SECONDS = 120.0
ROLLBACK_SECONDS = 30.0  # reliability.md, property 15


@pytest.fixture
def server(tmp_path: Path, mlflow_here: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = [
        *("server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db"),
        *("--artifacts-destination", str(tmp_path / "artifacts"), "--serve-artifacts"),
    ]
    environ = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": "^(mlflow-artifacts|models|runs):/",
    }
    environ.pop("MLFLOW_TRACKING_URI", None)
    with (tmp_path / "server.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *arguments],
            cwd=tmp_path,
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _await(url, child, tmp_path / "server.log")
            yield url
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def test_register_promote_fetch_load_and_roll_back(
    server: str, tmp_path: Path, warehouse: Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")  # the machine may be busy with other tests
    tracking.configure(server)
    run = tracking.open_run(experiment="recloop", cycle="c1", name="cycle", tags={})
    assert run.url.startswith(server)
    bundles = [make_bundle(tmp_path / "made", seed=seed) for seed in (1, 2)]
    previous = None
    for bundle in bundles:
        registered = register_bundle(
            bundle, run=run, model_name="served", verdict="PROMOTE", metrics={"ndcg@10": 0.1}, tags={}
        )
        result = promote(
            warehouse,
            model_name="served",
            version=registered.version,
            expected_champion=previous,
            verdict="PROMOTE",
            actor="cycle",
            reason="better",
            evidence={},
        )
        assert result.moved
        previous = registered.version
    assert champion("served").bundle_digest == bundles[1].digest

    began = time.monotonic()
    assert rollback(warehouse, model_name="served", actor="drill", reason="drill").champion == "1"
    assert time.monotonic() - began < ROLLBACK_SECONDS
    assert download_bundle("served", "1", tmp_path / "fetched").digest == bundles[0].digest
    loaded = mlflow.pyfunc.load_model("models:/served@champion")
    answer = loaded.predict(pd.DataFrame({"item_ids": [["a"]]}), params={"k": 1})
    assert answer[["item_id", "bundle"]].to_numpy().tolist() == [["b", bundles[0].digest]]


def _await(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"MLflow's server did not start:\n{log.read_text()}")
