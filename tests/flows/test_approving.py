"""The command line around an approval: watched, acted on, told, moved by hand and put back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.data.warehouse import open_warehouse
from components.registry import tracking
from components.registry.registration import register_bundle
from tests.flows.conftest import Estate, free_ports
from tests.flows.worlds import ROOT, Home
from tests.registry.conftest import make_bundle
from tests.registry.landing import land
from tests.registry.servers import seconds_until

PROMISED_SECONDS = 10.0


@pytest.fixture(scope="module")
def home(estate: Estate, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three registered bundles that nobody is champion of, started by ada; one batch has landed."""
    found = estate.home("approved", tmp_path_factory.mktemp("nothing"))
    tracking.configure(estate.mlflow_tracking_uri)
    run = tracking.open_run(experiment="approved", cycle="c", name="c", tags={})
    for seed in (1, 2, 3):
        bundle = make_bundle(tmp_path_factory.mktemp("made"), seed=90_000 + seed)
        register_bundle(
            bundle, run=run, model_name="approved", verdict="HOLD", metrics={}, tags={}, started_by="ada"
        )
    land(open_warehouse(found.settings.warehouse_url.get_secret_value()), 1)
    return found


@contextmanager
def watched(home: Home, log: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """`recloop approvals`, ended as Ctrl-C ends it."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "approvals"],
            cwd=ROOT,
            env=home.environ | more | {"PYTHONUNBUFFERED": "1"},
            stdout=file,
            stderr=file,
            preexec_fn=lambda: signal.signal(
                signal.SIGINT, signal.SIG_DFL
            ),  # ignored where tests run behind a shell
        )
        try:
            yield process
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()


def approve(home: Home, version: str, **tags: str) -> None:
    for key, value in (tags | {"validation_status": "approved"}).items():
        home.mlflow.set_model_version_tag("approved", version, key, value)


def test_an_approval_is_acted_on_told_and_a_hand_is_put_back(home: Home, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    log = tmp_path / "approvals.log"
    ours = {
        "RECLOOP_PROMOTION_POLICY": "approve",
        "RECLOOP_TWO_PERSON_RULE": "true",
        "RECLOOP_APPROVALS_PORT": str(port),
        "RECLOOP_WEBHOOK_URL": f"http://127.0.0.1:{port}/mlflow",
    }
    with watched(home, log, **ours):
        seconds_until(lambda: "webhook, and by a poll" in log.read_text(), at_most=60)
        approve(home, "1", approved_by="ada")
        seconds_until(
            lambda: "ada started the run" in " ".join(log.read_text().split()), at_most=PROMISED_SECONDS
        )
        assert home.champion() is None
        approve(home, "2", approved_by="grace")
        seconds_until(lambda: home.champion() == "2", at_most=PROMISED_SECONDS)
        # the smoke test, with torch, comes before it is told
        seconds_until(lambda: "champion is version 2" in log.read_text(), at_most=60)
    assert home.version_tags()["2"]["recloop.smoke_test"] == "passed for entry 1"
    assert not home.mlflow.list_webhooks()

    home.mlflow.set_registered_model_alias("approved", "champion", "3")
    status = " ".join(home.recloop("status").stdout.split())
    assert "found version 3 as champion where the ledger says version 2" in status
    refused = home.recloop("promote", "--version", "1", "--reason", "r", "--force")
    assert refused.returncode == 1
    assert "reconcile --adopt" in " ".join((refused.stdout + refused.stderr).split())
    assert home.recloop("reconcile", "--put-back").returncode == 0
    assert home.champion() == "2"

    told = home.recloop("history").stdout
    rows = [line.split() for line in told.splitlines() if line.startswith("20")]  # a long reason wraps
    assert [row[2:4] for row in rows] == [["approved", "2"], ["put", "back"]]
    assert "grace" in told

    lines = home.recloop("lineage").stdout
    assert "models:/approved/2" in lines
    assert "snapshot 5555" in lines


def test_a_promotion_by_hand_needs_a_second_person_too(home: Home) -> None:
    rule = {"RECLOOP_PROMOTION_POLICY": "approve", "RECLOOP_TWO_PERSON_RULE": "true", "RECLOOP_ACTOR": "ada"}
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "promote", "--version", "3", "--reason", "mine", "--force"],
        cwd=ROOT,
        env=home.environ | rule,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ada started the run" in " ".join((done.stdout + done.stderr).split())
    assert home.champion() == "2"
