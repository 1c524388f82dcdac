"""Retention: what is old and points nowhere goes, whatever is pointed to stays, and work begins anew after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from components.artifact import ArtifactRef, publish
from components.data import alpha, cycles, journal, ledger
from components.data.ingest import land_batch
from components.data.pruning import plan_pruning, prune
from components.data.recommendations import lists_of, publish_run, write_lists
from components.data.schema import day_partitions, snapshots
from components.data.served_runs import ScoringRun
from components.data.snapshot import read_events, take_snapshot
from components.data.warehouse import open_warehouse, reading
from tests.data.landing import at, batch, event
from tests.data.test_recommendations import lists

NOW = datetime.now(UTC)
MONTH = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Gave:
    """What a stage gave."""

    ref: ArtifactRef


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def make(root: Path, kind: str, name: str, *parents: ArtifactRef, days: float = 60) -> ArtifactRef:
    """A published artifact of so many days ago."""
    ref = publish(
        root,
        kind,
        lambda folder: (folder / "content.txt").write_text(name) and None,
        parents={str(n): parent.digest for n, parent in enumerate(parents)},
        config={},
    )
    age(Path(ref.path), days)
    return ref


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


def stage(engine: Engine, key: str, ref: ArtifactRef, days: float) -> None:
    journal.record(
        engine, key=key, stage=key, output=Gave(ref=ref), seconds=0.0, peak_mb=0.0, run="r",
        now=lambda: NOW - timedelta(days=days),
    )  # fmt: skip


def planned(engine: Engine, root: Path, keep: set[str] | None = None, **more) -> set[str]:
    plan = plan_pruning(engine, root, keep=keep or set(), older_than=MONTH, **more)
    return {entry.path.name for entry in plan.prunable}


def test_what_nothing_points_to_goes_once_it_is_old(engine: Engine, tmp_path: Path):
    root = tmp_path / "artifacts"
    old, young = make(root, "lists", "old"), make(root, "lists", "young", days=1)
    stage(engine, "old", old, days=60)
    stage(engine, "young", young, days=1)
    plan = plan_pruning(engine, root, keep=set(), older_than=MONTH)
    assert [(entry.kind, entry.digest) for entry in plan.prunable] == [("lists", old.digest)]
    assert (plan.num_kept, plan.num_journal_entries) == (1, 1)
    assert plan.size > len("old")
    assert Path(old.path).exists()  # a plan removes nothing
    for _ in range(2):
        prune(engine, plan)
    assert not Path(old.path).exists()
    assert Path(young.path).exists()
    assert (journal.find(engine, "old", Gave), journal.find(engine, "young", Gave)) == (None, Gave(ref=young))
    assert planned(engine, root) == set()


def test_whatever_is_pointed_to_stays_with_what_it_was_made_from(engine: Engine, tmp_path: Path):
    """Kept: by the caller, by a cycle, by each ledger, by a recent stage, by served lists; all with parents."""
    root = tmp_path / "artifacts"
    grandparent = make(root, "snapshot_like", "g")
    parent = make(root, "feature_set", "p", grandparent)
    names = ("caller", "cycle", "promotion", "alpha", "stage", "served", "young")
    made = {name: make(root, "bundle", name, parent if name == "caller" else make(root, "arm", name))
            for name in names}  # fmt: skip
    make(root, "bundle", "nobody", parent)
    age(Path(made["young"].path), 1)
    cycles.record_cycle(
        engine, cycle_id="c", as_of=at(1), train_cutoff=at(0), verdict="HOLD", versions={},
        summary={"bundle": made["cycle"].to_dict()},
    )  # fmt: skip
    ledger.append_promotion(
        engine, action="promote", model="m", version="1", previous_version=None, expected_version=None,
        verdict="PROMOTE", actor="a", reason="r", evidence={"replay": made["promotion"].digest},
    )  # fmt: skip
    alpha.spend_alpha(
        engine, window="0" * 64, challenger=made["alpha"].digest, shares=(0.5, 0.5), profile="p"
    )
    stage(engine, "recent", made["stage"], days=2)
    run = ScoringRun(run="r", model_version="1", bundle=made["served"].digest, feature_set="")
    write_lists(engine, run, lists("u1"))
    publish_run(engine, "r")
    plan = plan_pruning(engine, root, keep={made["caller"].digest}, older_than=MONTH)
    assert [
        (Path(entry.path).parent.name, (entry.path / "content.txt").read_text()) for entry in plan.prunable
    ] == [("bundle", "nobody")]
    assert len(planned(engine, root)) == 4  # without the caller's word: its bundle, both parents, nobody


def test_old_runs_of_lists_go_from_table_and_parquet(engine: Engine, tmp_path: Path):
    """Version 1 served "a", version 2 "b" and "c"; a rollback would serve "a" again, so only "b" goes."""
    made = {}
    for run, version in (("a", "1"), ("b", "2"), ("c", "2")):
        scoring = ScoringRun(run=run, model_version=version, bundle="", feature_set="")
        write_lists(engine, scoring, lists("u1"), now=lambda: NOW - 2 * MONTH)
        publish_run(engine, run)
        made[run] = publish(
            tmp_path, "recommendations", lambda folder, run=run: (folder / "p").write_text(run) and None,
            parents={}, config={"run": run},
        )  # fmt: skip
        age(Path(made[run].path), 60)
    stage(engine, "write lists", made["b"], days=60)
    plan = plan_pruning(engine, tmp_path, keep=set(), older_than=MONTH)
    assert [run.run for run in plan.runs] == ["b"]
    assert [entry.digest for entry in plan.prunable] == [made["b"].digest]
    prune(engine, plan)
    assert [lists_of(engine, "u1", run=run).empty for run in "abc"] == [False, True, False]
    assert [Path(made[run].path).exists() for run in "abc"] == [True, False, True]
    assert journal.find(engine, "write lists", Gave) is None  # asked for again, they are written again
    assert plan_pruning(engine, tmp_path, keep=set(), older_than=MONTH).runs == ()


def test_days_go_with_the_last_snapshot_that_names_them(engine: Engine, tmp_path: Path):
    land_batch(engine, batch(*(event(f"e{n}", hours=24 * n) for n in range(3))))
    old = take_snapshot(engine, tmp_path, end=at(24))
    new = take_snapshot(engine, tmp_path, end=at(48))
    lone = take_snapshot(engine, tmp_path, start=at(40), end=at(50))
    for path in [*(tmp_path / "partitions").iterdir(), *map(Path, (old.path, new.path, lone.path))]:
        age(path, 60)
    plan = plan_pruning(engine, tmp_path, keep={new.digest}, older_than=MONTH)
    assert sorted(entry.kind for entry in plan.prunable) == ["partition", "snapshot", "snapshot"]
    prune(engine, plan)
    assert len(read_events(new)) == 2
    with reading(engine) as connection:
        assert connection.execute(select(snapshots.c.digest)).scalars().all() == [new.digest]
        assert connection.execute(select(func.count()).select_from(day_partitions)).scalar_one() == 2
    assert take_snapshot(engine, tmp_path, start=at(40), end=at(50)) == lone  # written anew
    assert len(read_events(lone)) == 1


def test_pages_and_what_kills_left_go_too(engine: Engine, tmp_path: Path):
    root, reports = tmp_path / "artifacts", tmp_path / "reports"
    kept, gone = make(root, "report", "kept"), make(root, "report", "gone")
    reports.mkdir()
    pages = [reports / f"2024-{n}-{ref.digest[:8]}.html" for n, ref in enumerate((kept, gone))]
    own = reports / "notes-of-my-own.html"
    aside = root / "report" / ".left-by-a-kill"
    aside.mkdir()
    for path in (*pages, own):
        path.write_text("x")
    for path in (*pages, own, aside):
        age(path, 60)
    assert planned(engine, root, {kept.digest}, reports=reports) == {
        Path(gone.path).name, pages[1].name, aside.name,
    }  # fmt: skip
    prune(engine, plan_pruning(engine, root, keep={kept.digest}, older_than=MONTH, reports=reports))
    assert sorted(path.name for path in reports.iterdir()) == sorted([pages[0].name, own.name])
    assert [path.name for path in (root / "report").iterdir()] == [Path(kept.path).name]


def test_a_folder_that_was_never_finished_is_no_hindrance(engine: Engine, tmp_path: Path):
    broken = tmp_path / "lists" / "0123"
    broken.mkdir(parents=True)
    (broken / "manifest.json").write_text("{")
    age(broken, 60)
    assert planned(engine, tmp_path) == {"0123"}


PRUNE = """
import sys
from datetime import timedelta
from pathlib import Path
from components.data.pruning import plan_pruning, prune
from components.data.warehouse import open_warehouse
root = Path(sys.argv[1])
engine = open_warehouse(f"sqlite:///{root}/warehouse.db")
prune(engine, plan_pruning(engine, root / "artifacts", keep=set(), older_than=timedelta(days=30)))
"""


@pytest.mark.parametrize("point", ["prune:forgotten", "artifact:removed-aside", "prune:removed"])
def test_killed_while_pruning_a_rerun_completes(engine: Engine, tmp_path: Path, point: str):
    made = [make(tmp_path / "artifacts", "lists", name) for name in "ab"]
    for ref in made:
        stage(engine, ref.digest, ref, days=60)

    def run(**environment: str) -> int:
        return subprocess.run(
            [sys.executable, "-c", PRUNE, str(tmp_path)],
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
        ).returncode

    assert run(CRASH_AT=point) == -signal.SIGKILL
    assert sum(Path(ref.path).exists() for ref in made) == (2 if point == "prune:forgotten" else 1)
    assert run() == 0
    assert list((tmp_path / "artifacts" / "lists").iterdir()) == []
    assert [journal.find(engine, ref.digest, Gave) for ref in made] == [None, None]
