"""`recloop quarantine`, `erase` and `prune` on a small home, as a user runs them; no server is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.artifact import publish
from components.data import queries
from components.data.batch import write_checked
from components.data.contracts.batch_check import check_batch
from components.data.ingest import land_batch
from components.data.snapshot import read_events, take_snapshot
from components.data.warehouse import open_warehouse
from components.serving.spool import EVENT_COLUMNS
from flows.local.ledgers import checked_ledgers
from flows.settings import Settings
from tests.data.landing import at
from tests.data.test_chain import behind
from tests.data.test_erasure import holding
from tests.data.test_ledger import promote
from tests.data.test_quarantine import LIMITS, raw, received

ROOT = Path(__file__).resolve().parents[3]
USER = "person-4711-zq"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with a batch of four sound events and two bad ones, and a snapshot of it."""
    made = Settings(home=tmp_path / "home")
    engine = open_warehouse(made.warehouse_url.get_secret_value())
    rows = raw(user=USER), raw(hours=2), raw(user=USER, hours=3), raw(hours=4), raw(item="i9", hours=5)
    checked = check_batch(
        received(*rows, raw(user=USER, value="bad")), as_of=at(10), known_items=set(), gx_root=made.gx_root,
        config=LIMITS,
    )  # fmt: skip
    publish(
        made.artifacts, "checked_batch", lambda folder: write_checked(checked, folder), parents={}, config={}
    )
    land_batch(engine, checked)
    take_snapshot(engine, made.artifacts, end=at(10))
    engine.dispose()
    return made


def recloop(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    outside = {
        name: value for name, value in os.environ.items() if not name.startswith(("RECLOOP_", "MLFLOW_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", "--home", str(settings.home), *arguments],
        cwd=ROOT,
        env=outside | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_was_changed_is_accepted_where_nothing_is_registered(settings: Settings):
    """No MLflow database: a row of the quarantine is another, one is gone, and promotions were changed."""
    engine = open_warehouse(settings.warehouse_url.get_secret_value())
    promote(engine, "1", None)
    behind(
        engine, "UPDATE quarantine SET payload = '{' WHERE id = 1", "DELETE FROM quarantine WHERE id = 2",
        "UPDATE promotions SET actor = 'x'",
    )  # fmt: skip
    assert "open, changed" in recloop(settings, "quarantine", "list").stdout
    refused = recloop(settings, "quarantine", "drop", "--id", "1", "--reason", "x")
    assert "recloop reconcile --accept-ledger" in " ".join(refused.stderr.split()), refused.stderr
    told = recloop(settings, "reconcile", "--accept-ledger")
    assert told.returncode == 0, told.stderr
    assert "accepted as they lie, and written down: promotions, batches." in told.stdout
    assert all(ledger.ok for ledger in checked_ledgers(engine, settings))
    assert "nothing to accept" in recloop(settings, "reconcile", "--accept-ledger").stdout
    assert recloop(settings, "reconcile").returncode == 1
    assert "1 rows dropped" in recloop(settings, "quarantine", "drop", "--id", "1", "--reason", "x").stdout
    engine.dispose()


def test_rows_go_out_to_be_repaired_and_come_back(settings: Settings, tmp_path: Path):
    file = tmp_path / "bad.csv"
    shown = recloop(settings, "quarantine", "list", "--code", "unknown_item").stdout
    assert "unknown_item" in shown
    assert "1 rows" in shown
    assert "2 rows in" in recloop(settings, "quarantine", "export", str(file)).stdout
    file.write_text(file.read_text().replace("i9", "i1"))
    told = recloop(settings, "quarantine", "release", str(file))
    assert told.returncode == 0, told.stderr
    assert "1 released, 0 had been before, 1 stay" in told.stdout
    assert "bad_value" in told.stdout
    assert (
        "1 rows dropped"
        in recloop(settings, "quarantine", "drop", "--code", "bad_value", "--reason", "x").stdout
    )
    engine = open_warehouse(settings.warehouse_url.get_secret_value())
    assert (queries.counts(engine).events, queries.counts(engine).quarantined) == (5, 0)
    gone = recloop(settings, "quarantine", "release", str(tmp_path / "gone.csv"))
    assert gone.returncode == 1
    assert "no such file" in gone.stderr
    none = recloop(settings, "quarantine", "release")
    assert none.returncode == 1
    assert "--id 12" in none.stderr + none.stdout
    status = recloop(settings, "status").stdout
    assert "1 events were told of after the time that they are of" in status


def test_a_user_is_erased_after_a_look_and_brought_back_by_word_alone(settings: Settings):
    """From what the scoring server keeps on disk too: posted events, and who was shown what."""
    day = settings.events_spool / "2024-03-01"
    day.mkdir(parents=True)
    (day / "events.csv").write_text(",".join(EVENT_COLUMNS) + f"\ne1,{USER},i1,2024-03-01T00:00:00Z,view\n")
    settings.exposures.mkdir()
    (settings.exposures / "2024-03-01.jsonl").write_text(f'{{"user_id": "{USER}"}}\n{{"user_id": "other"}}\n')
    look = recloop(settings, "erase", "--user", USER, "--dry-run")
    assert look.returncode == 0, look.stderr
    assert "nothing was removed" in look.stdout
    assert holding(settings.home, USER)
    done = recloop(settings, "erase", "--user", USER)
    assert done.returncode == 0, done.stderr
    assert "later batches bring none in" in done.stdout
    assert holding(settings.home, USER) == []
    assert (settings.exposures / "2024-03-01.jsonl").read_text() == '{"user_id": "other"}\n'
    assert "may bring this user in again" in recloop(settings, "erase", "--user", USER, "--lift").stdout


def test_old_artifacts_are_pruned_after_a_look(settings: Settings):
    engine = open_warehouse(settings.warehouse_url.get_secret_value())
    look = recloop(settings, "prune", "--older-than", "0", "--dry-run").stdout
    assert "snapshot" in look
    assert "nothing was removed" in look
    done = recloop(settings, "prune", "--older-than", "0")
    assert done.returncode == 0, done.stderr
    assert "0 artifacts stay" in done.stdout
    assert [p.name for p in settings.artifacts.rglob("*") if p.is_file()] == []
    assert len(read_events(take_snapshot(engine, settings.artifacts, end=at(10)))) == 4
