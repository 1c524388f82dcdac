"""`recloop serve` as a process on a small home: it serves, refuses to be open without keys, and stops on SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient
from pydantic import SecretStr

from components.serving.config import ServerConfigError
from flows.cli.serve import server_config
from flows.settings import Settings
from tests.serving.world import World, until

ROOT = Path(__file__).resolve().parents[3]
KEY = "a-key-of-the-tests-0123"


@pytest.fixture
def home(tmp_path: Path) -> World:
    """A home whose registry has a champion, as `recloop retrain` leaves it."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    MlflowClient(uri).create_experiment("recloop", artifact_location=str(tmp_path / "mlflow" / "artifacts"))
    world = World(home=tmp_path, tracking_uri=uri, model_name="recloop")
    world.register("one", champion=True)
    return world


def recloop(home: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    plain = {
        name: value for name, value in os.environ.items() if not name.startswith(("RECLOOP_", "MLFLOW_"))
    }
    # a port that no MLflow of this machine answers on, so that the database itself is read
    plain |= {"RECLOOP_HOME": str(home), "RECLOOP_MLFLOW_PORT": "9", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *arguments],
        cwd=ROOT,
        env=plain | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_it_serves_the_homes_champion_with_a_key_and_stops_on_sigterm(home: World) -> None:
    child = recloop(home.home, "serve", "--port", "0", RECLOOP_API_KEYS=KEY)
    try:
        assert child.stdout is not None
        found = next(filter(None, (re.search(r"at (http://\S+:\d+) ", line) for line in child.stdout)))
        with httpx.Client(base_url=found[1], timeout=60) as client:
            until(lambda: client.get("/ready").status_code == 200)
            assert client.post("/v1/recommendations", json={"user_id": "ada"}).status_code == 401
            headers = {"Authorization": f"Bearer {KEY}"}
            answer = client.post("/v1/recommendations", json={"user_id": "ada"}, headers=headers).json()
            assert (answer["model"]["name"], answer["fallback"]) == ("recloop", "new_user")
            event = {"user_id": "ada", "item_id": "i00", "timestamp": 1_000}
            assert client.post("/v1/events", json=event, headers=headers).json()["is_new"] is True
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    finally:
        child.kill()
        child.communicate()
    assert len(list((home.home / "events").glob("*/events.csv"))) == 1
    assert len(list((home.home / "exposures").glob("*.jsonl"))) == 1


def test_it_is_not_open_to_others_without_keys(home: World) -> None:
    child = recloop(home.home, "serve", "--host", "0.0.0.0")
    told, _ = child.communicate(timeout=120)
    assert child.returncode == 1
    assert "no API key is set" in " ".join(told.split())
    assert "Traceback" not in told


def test_settings_reach_the_server(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{KEY}-of-a-file\n")
    settings = Settings(
        home=tmp_path,
        serve_host="0.0.0.0",
        serve_port=1234,
        api_keys=SecretStr(KEY),
        api_keys_file=tmp_path / "keys",
        serve_allowed_hosts="serve.example, other.example",
        serve_rate_per_second=7,
        max_feature_age_hours=9,
        trial_challenger="4",
        trial_share=0.25,
        trial_salt="spring",
    )
    config = server_config(settings, "films", "sqlite:///x")
    assert (config.host, config.port, config.model_name) == ("0.0.0.0", 1234, "films")
    assert [key.get_secret_value() for key in config.keys] == [KEY, f"{KEY}-of-a-file"]
    assert config.hosts == {"serve.example", "other.example"}
    assert (config.limits.rate_per_second, config.max_feature_age_hours) == (7, 9)
    assert (config.trial.challenger, config.trial.share, config.trial.salt) == ("4", 0.25, "spring")
    assert config.events_spool == tmp_path / "events"
    assert KEY not in repr(settings) + repr(config)
    with pytest.raises(ServerConfigError, match="none is named"):
        server_config(Settings(home=tmp_path, trial_share=0.5), "films", "sqlite:///x")
