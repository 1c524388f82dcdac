"""Killed at one point after the other, the demo still ends as if it had never been disturbed.

One chain of runs in one home: each run dies by SIGKILL at a point a little further on, the next one goes on
from there. Every stage is killed at least once. In the last run it is Prefect's server that is killed.
"""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest

from components.artifact import verified
from tests.flows.conftest import Estate
from tests.flows.worlds import Home

pytestmark = pytest.mark.timeout(1800)  # minutes on an idle machine, ten on a busy one

# In the order in which a run comes by. A stage is killed before its work, between work and record (the result
# lies there, and the journal does not know), or after it; where there is more to spoil, in the midst of it.
FIRST_CYCLE = (
    "check batch:before-record",
    "land batch:start",
    "ingest:before-commit",  # all rows written, none committed
    "ingest:after-commit",
    "open cycle:after-record",
    "snapshot:partitions-written",
    "snapshot:before-record",
    "encode items:before-record",
    "check vectors:start",
    "feature-store:written-aside",
    "training rows:before-record",
    "fit tokenizer:before-record",
    "train mmgrec:start",
    "train sasrec:before-record",
    "count popularity:after-record",
    "bundle:before-record",
    "rank popularity:after-record",
    "rank recent_popularity:start",
    "rank mmgrec:start",
    "rank sasrec:before-record",
    "judge:before-record",  # alpha is spent, the verdict unknown
    "register:after-upload",  # a model without a version
    "register:after-log",
    "register:after-create",  # a version without an alias
    "promote:after-ledger",  # the ledger names a champion that the alias does not
    "promotion:after-alias",  # now the alias does, and does not know by which entry
    "promote:after-record",  # all done but the record of the cycle
)
SECOND_CYCLE = (
    "check batch:start",
    "land batch:before-record",
    "open cycle:before-record",
    "take snapshots:before-record",
    "store features:before-record",
    "extend ids:before-record",
    "train mmgrec:before-record",
    "rank champion:before-record",
    "register:before-record",
    "promote:start",
)
KILLS = FIRST_CYCLE + SECOND_CYCLE


@pytest.fixture(scope="module")
def survivor(estate: Estate, world: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose demo was killed at every one of KILLS, and then ended, though Prefect was away in its midst."""
    home = estate.home("survivor", world)
    before: dict[str, int] = {}
    for point in KILLS:
        killed = home.recloop(*home.demo, CRASH_AT=point)
        assert killed.returncode == -signal.SIGKILL, f"{point} never fired\n{killed.stderr}"
        now = home.journal()
        assert before.items() <= now.items(), f"a finished stage was worked on again before {point}"
        before = now
    with home.running(*home.demo) as (demo, lines):
        told = [next(line for line in lines if "✓ check batch" in line)]  # of the second cycle
        estate.kill_prefect()
        told += lines
        assert demo.wait() == 0, "".join(told)
    assert not [line for line in told if "ERROR" in line], "".join(told)
    assert before.items() <= home.journal().items()
    return home


def test_no_event_is_lost_or_doubled(survivor: Home, finished: Home) -> None:
    for query in (
        "SELECT event_id, payload_hash, batch_id FROM events ORDER BY event_id",
        "SELECT kind, source_row, payload, reasons, batch_id FROM quarantine ORDER BY id",
        "SELECT batch_id, digest, state, received, accepted, quarantined, duplicates FROM batches ORDER BY batch_id",
    ):
        assert survivor.rows(query) == finished.rows(query)


def test_every_snapshot_is_one_of_the_undisturbed_cycles(survivor: Home, finished: Home) -> None:
    """Those of the two cycles alone: other tests replay other windows of the finished home."""
    taken = [finished.outputs(cycle)["take snapshots"] for cycle in (0, 1)]
    undisturbed = {one[part]["digest"] for one in taken for part in ("train", "window", "now")}
    rows = "SELECT digest, num_events, num_users, num_items FROM snapshots ORDER BY digest"
    assert len(undisturbed) == 5  # what is known at the end of the first is what the second trains on
    assert survivor.rows(rows) == [row for row in finished.rows(rows) if row[0] in undisturbed]


@pytest.mark.parametrize("cycle", [0, 1])
def test_ids_and_evidence_are_those_of_an_undisturbed_run(survivor: Home, finished: Home, cycle: int) -> None:
    """Same data, configuration and seed: the same bytes, but for what was measured with a clock."""

    def reproducible(home: Home) -> str:
        return json.dumps({k: v for k, v in home.evidence(cycle).items() if k != "measured"}, sort_keys=True)

    def identified(home: Home) -> dict[str, str]:
        outputs = home.outputs(cycle)
        stage = outputs.get("extend ids") or outputs["fit tokenizer"]
        return {name: stage[name]["digest"] for name in ("tokenizer", "ids", "encoders")}

    assert identified(survivor) == identified(finished)
    assert reproducible(survivor) == reproducible(finished)


def test_every_cycle_has_one_version_whole_and_the_same_as_undisturbed(
    survivor: Home, finished: Home, tmp_path: Path
) -> None:
    bundles = {version: tags["recloop.bundle"] for version, tags in survivor.version_tags().items()}
    assert bundles == {version: tags["recloop.bundle"] for version, tags in finished.version_tags().items()}
    assert [survivor.outputs(cycle)["register"]["version"] for cycle in (0, 1)] == list(bundles)

    for version, digest in bundles.items():
        model = survivor.download(version, tmp_path / version)
        assert verified(model / "artifacts" / digest[:20])["digest"] == digest
    experiment = survivor.mlflow.get_experiment_by_name(survivor.settings.model_name)
    assert experiment is not None
    logged = survivor.mlflow.search_logged_models([experiment.experiment_id])
    assert Counter(str(model.status) for model in logged) == {"READY": len(bundles)}
    runs = survivor.mlflow.search_runs([experiment.experiment_id])
    assert len(runs) == len(bundles)


def test_ledger_alias_and_verdicts_agree(survivor: Home) -> None:
    promoted = [
        survivor.outputs(cycle)["register"]["version"]
        for cycle in (0, 1)
        if survivor.outputs(cycle)["judge"]["verdict"] == "PROMOTE"
    ]
    assert [(action, version) for action, version, _ in survivor.ledger()] == [
        ("promote", version) for version in promoted
    ]
    assert survivor.champion() == promoted[-1]


def test_nothing_half_written_is_taken_for_an_artifact(survivor: Home) -> None:
    """Whatever carries a published name is whole; what a dead run left aside begins with a dot."""
    folders = [path.parent for path in survivor.settings.artifacts.glob("*/*/manifest.json")]
    published = [path for path in folders if not path.name.startswith(".")]
    assert len(published) > 20
    for folder in published:
        assert verified(folder)["digest"].startswith(folder.name)


def test_prefect_shows_the_dead_as_crashed_and_nothing_as_running(survivor: Home) -> None:
    runs = survivor.flow_runs()
    assert {run.state_name for _, run in runs} == {"Completed", "Crashed"}
    cycles = Counter(run.state_name for flow, run in runs if flow == "retraining-cycle")
    assert cycles == {"Completed": 2, "Crashed": len(KILLS)}


def test_prefect_killed_in_the_midst_of_a_cycle_shows_the_whole_of_it(survivor: Home, finished: Home) -> None:
    """Every task that ran while the server was away, as completed, and their lines."""
    (ended, undisturbed) = (
        [run for flow, run in home.flow_runs() if flow == "retraining-cycle"][place]
        for home, place in ((survivor, -1), (finished, 1))
    )
    assert ended.state_name == "Completed"
    assert survivor.tasks_of(ended) == finished.tasks_of(undisturbed)
    assert {state for _, state in survivor.tasks_of(ended)} == {"Completed"}
    lines = survivor.log_of(ended)
    assert [line for line in lines if line.startswith("open cycle: ")]
    assert [line for line in lines if line.startswith("promote: ")]
