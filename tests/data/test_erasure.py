"""Erasure in a whole small home: afterwards no file and no database of it holds the user."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, select

from components.artifact import ArtifactNewer, ArtifactRef, publish, verified
from components.data import cycles, erased_users, journal, queries
from components.data.artifact_erasure import successor_of
from components.data.batch import CheckedBatch, write_checked
from components.data.contracts.batch_check import check_batch
from components.data.erasure import Place, erase_user, plan_erasure, warehouse_places
from components.data.ingest import batch_results, land_batch
from components.data.quarantine import list_quarantine
from components.data.recommendations import lists_of, publish_run, record_list, write_lists
from components.data.schema import erasures, snapshots
from components.data.served_runs import ScoringRun
from components.data.snapshot import read_events, read_items, snapshot_facts, take_snapshot
from components.data.warehouse import open_warehouse, reading
from components.features.encoding import EncoderConfig, encode, fit_encoders
from components.features.featureset import load_feature_set, publish_feature_set
from components.features.graph import item_graph
from components.features.sequences import training_spine, user_sequences
from components.features.store.erasure import count_user
from components.features.store.erasure import erase_user as erase_from_store
from components.features.store.lists import push_lists
from components.features.store.offline import write_user_sequences
from components.features.store.online import materialize
from components.features.store.opening import apply_definitions, open_store
from components.features.store.retrieval import training_rows
from components.features.trainingset import load_training_set, publish_training_set
from tests.data.erasing import USER, places_but_feast, told_by
from tests.data.landing import at
from tests.data.test_quarantine import LIMITS, raw, received
from tests.data.test_recommendations import lists
from tests.features.store.test_lists import lists as pushed_table
from tests.report.reported import page

OTHER = "somebody-else"


@dataclass(frozen=True, kw_only=True)
class Took:
    """What the stage that takes snapshots gives."""

    train: ArtifactRef
    window: ArtifactRef


def report_page() -> str:
    """A real page in which the first person drawn is our user."""
    whole = page()
    drawn = re.search(r'data-user="([^"]*)"', whole)[1]
    return whole.replace(f'data-user="{drawn}"', f'data-user="{USER}"').replace(
        f">{drawn}</bdi>", f">{USER}</bdi>"
    )


def build(home: Path) -> Engine:
    """Two batches with rows in quarantine, snapshots, features in Feast, lists, a report, a cycle on record."""
    engine, root = open_warehouse(f"sqlite:///{home}/warehouse.db"), home / "artifacts"
    early = [raw(user=u, item=f"i{n % 3}", hours=n) for n, u in enumerate([USER, OTHER, USER, "third"] * 2)]
    late = [
        raw(user=USER, item="i1", hours=30),
        raw(user=OTHER, item="i2", hours=31),
        raw(user=USER, hours=3.5),
    ]
    bad = [
        raw(user=USER, hours=9, value="bad"),
        raw(user=f" {USER}", hours="9"),
        raw(user=OTHER, value="bad"),
    ]
    for rows, as_of in ((early + bad, 10), (late, 40)):
        arrived = received(*rows, items=("i0", "i1", "i2"))
        checked = check_batch(arrived, as_of=at(as_of), known_items=set(), gx_root=home / "gx", config=LIMITS)
        publish(
            root, "checked_batch", lambda folder, c=checked: write_checked(c, folder), parents={}, config={}
        )
        land_batch(engine, checked)
    log = pd.DataFrame({"item_id": ["i1", "i2"], "reward": [1.0, 0.0], "user_id": [USER, OTHER]})
    publish(root, "logged", lambda folder: log.to_parquet(folder / "rows.parquet"), parents={}, config={})
    train = take_snapshot(engine, root, end=at(10))
    window = take_snapshot(engine, root, start=at(10), end=at(40))
    take_snapshot(engine, root, end=at(40))
    take_snapshot(engine, root, start=at(29), end=at(30.5))  # holds this user alone
    journal.record(
        engine, key="k", stage="take snapshots", output=Took(train=train, window=window), seconds=1.0,
        peak_mb=1.0, run="c",
    )  # fmt: skip
    encoders, training = _features(home, root, train)
    publish(
        root, "report", lambda folder: (folder / "report.html").write_text(report_page()) and None,
        parents={"replay": "0" * 64}, config={},
    )  # fmt: skip
    of_users = pd.DataFrame({"user": [USER, OTHER], "arm": "mmgrec", "ndcg@10": [0.5, 0.25]})
    publish(
        root,
        "replay",
        lambda folder: of_users.to_parquet(folder / "users.parquet", index=False),
        parents={},
        config={},
    )
    (home / "reports").mkdir()
    (home / "reports" / "2024-01-02-better-promote-01234567.html").write_text(report_page())
    write_lists(
        engine, ScoringRun(run="nightly", model_version="1", bundle="", feature_set=""), lists(USER, OTHER)
    )
    publish_run(engine, "nightly")
    record_list(engine, user_id=USER, item_ids=["i1"], scores=[1.0], model_version="1")
    cycles.record_cycle(
        engine, cycle_id="c", as_of=at(40), train_cutoff=at(10), verdict="HOLD", versions={},
        summary={"carried": {"encoders": encoders.to_dict()}, "bundle": training.to_dict()},
    )  # fmt: skip
    return engine


def _features(home: Path, root: Path, train: ArtifactRef) -> tuple[ArtifactRef, ArtifactRef]:
    log, items = read_events(train), read_items(train)
    config = EncoderConfig(image_size=32)
    encoders = fit_encoders(items, config, root=None)
    vectors = encode(encoders, items, root=None)
    rows = user_sequences(log, cutoff=at(10))
    feature_set = publish_feature_set(
        root, vectors=vectors, graph=item_graph(log, vectors.item_ids), encoders=encoders, sequences=rows,
        parents={"snapshot": train.digest}, config={},
    )  # fmt: skip
    store = open_store(home / "feast")
    apply_definitions(store, feature_set=feature_set.digest)
    scored = pushed_table("i1", USER, OTHER)
    publish(root, "recommendations", lambda folder: pq.write_table(scored, folder / "part-0.parquet"),
            parents={}, config={"run": "nightly"})  # fmt: skip
    begun = root / "recommendations" / ".begun-another"  # by a scoring that was cut off
    begun.mkdir()
    pq.write_table(scored, begun / "part-0.parquet")
    for run in ("nightly", "the night before"):
        push_lists(store, run, scored)
    write_user_sequences(store.home, rows)
    materialize(store, end=at(10))
    joined = training_rows(store, training_spine(rows["user_id"].to_numpy(), at(10)))
    training_set = publish_training_set(
        root, rows=joined, vectors=vectors, parents={"feature_set": feature_set.digest}
    )
    return feature_set, training_set


def places(home: Path, engine: Engine, user: str = USER) -> tuple[Place, ...]:
    """All of a home, as a command joins them."""
    store = open_store(home / "feast")
    in_store = Place(
        name="feature store",
        count=lambda: count_user(store, user),
        erase=lambda: erase_from_store(store, user),
    )
    return (*places_but_feast(home, engine, user), in_store)


def holding(home: Path, word: str) -> list[str]:
    """Every file with the word: in its bytes, in a table's values, in a database's rows."""
    found = []
    for path in sorted(home.rglob("*")):
        if not path.is_file():
            continue
        if word.encode() in told_by(path):
            found.append(str(path.relative_to(home)))
    return found


EXPECTED = {
    "events": 6,  # 4 and 2, of which one is late
    "quarantine": 2,
    "recommendations": 3,
    "snapshot": 11,  # in day files: 4 by 10 h, 5 by 40 h, 1 after 10 h, 1 in an hour of its own
    "recommendations in parquet": 2,
    "checked_batch": 8,
    "logged": 1,
    "feature_set": 2,
    "training_set": 1,
    "report": 1,
    "replay": 1,
    "feature store": 4,  # a cut offline, and online that and a list of two runs
    "pages": 1,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home with the user in it, to be copied."""
    made = tmp_path_factory.mktemp("made") / "home"
    made.mkdir()
    build(made).dispose()
    return made


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> Path:
    """The home itself, put back afterwards: its paths stand in its databases."""
    saved = tmp_path / "saved"
    subprocess.run(["cp", "-a", str(home), str(saved)], check=True)
    yield home
    subprocess.run(["rm", "-rf", str(home)], check=True)
    subprocess.run(["mv", str(saved), str(home)], check=True)


def test_nothing_of_the_user_is_left_and_the_others_are_as_they_were(copy: Path):
    engine = open_warehouse(f"sqlite:///{copy}/warehouse.db")
    assert len(holding(copy, USER)) > 10
    others = _counts(copy, engine, OTHER)
    others.pop("snapshot")  # without the user, day files of two snapshots are one file
    landed = batch_results(engine)
    planned = plan_erasure(places(copy, engine))
    assert {entry.name: entry.count for entry in planned} == EXPECTED
    assert not erased_users.is_erased(engine, USER)  # a plan changes nothing
    assert erase_user(engine, USER, places(copy, engine)) == planned
    assert holding(copy, USER) == []
    assert {entry.count for entry in plan_erasure(places(copy, engine))} == {0}
    assert _counts(copy, engine, OTHER).items() >= others.items()
    assert batch_results(engine) == landed
    assert {entry.count for entry in erase_user(engine, USER, places(copy, engine))} == {0}


@pytest.mark.parametrize("kind", ["feature_set", "snapshot"])
def test_what_a_newer_release_published_is_refused_and_stays(copy: Path, kind: str):
    engine = open_warehouse(f"sqlite:///{copy}/warehouse.db")
    manifest = sorted((copy / "artifacts" / kind).glob("[!.]*/manifest.json"))[0]
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 2}))
    before = sorted(manifest.parent.rglob("*"))
    for ask in (
        lambda: plan_erasure(places(copy, engine)),
        lambda: erase_user(engine, USER, places(copy, engine)),
    ):
        with pytest.raises(ArtifactNewer, match=f"{manifest.parent.name}.* has format 2"):
            ask()
    assert sorted(manifest.parent.rglob("*")) == before


def _counts(home: Path, engine: Engine, user: str) -> dict[str, int]:
    return {entry.name: entry.count for entry in plan_erasure(places(home, engine, user))}


def test_what_was_rewritten_is_whole_and_what_pointed_to_it_is_led_there(copy: Path):
    engine, root = open_warehouse(f"sqlite:///{copy}/warehouse.db"), copy / "artifacts"
    before = {
        p.name: verified(p)
        for kind in ("snapshot", "feature_set", "training_set")
        for p in (root / kind).iterdir()
    }
    took = journal.find(engine, "k", Took)
    erase_user(engine, USER, places(copy, engine))
    assert journal.find(engine, "k", Took) is None  # the stage runs again when it is asked for
    (cycle,) = cycles.cycles(engine)
    encoders, training = (
        ArtifactRef(**ref) for ref in (cycle.summary["carried"]["encoders"], cycle.summary["bundle"])
    )
    features_now = load_feature_set(encoders)
    assert features_now.graph.user_ids.tolist() == [OTHER, "third"]
    assert features_now.sequences()["user_id"].to_pylist() == [OTHER, "third"]
    edges = set(
        zip(features_now.graph.user_index.tolist(), features_now.graph.item_index.tolist(), strict=True)
    )
    assert edges == {(0, 1), (0, 2), (1, 0), (1, 1)}
    assert load_training_set(training).user_ids.tolist() == [OTHER, "third"]
    assert verified(training.path)["parents"]["feature_set"] == encoders.digest
    train_now = successor_of(engine, took.train.digest)
    assert features_now.manifest["parents"]["snapshot"] == train_now != took.train.digest
    for manifest in before.values():
        assert successor_of(engine, manifest["digest"]) != manifest["digest"]
    with reading(engine) as connection:
        rows = {row["digest"]: row for row in connection.execute(select(snapshots)).mappings()}
    assert len(rows) == 3  # the one of this user alone has no successor
    for row in rows.values():
        ref = ArtifactRef(kind="snapshot", digest=row["digest"], path=row["path"])
        frame, facts = read_events(ref), snapshot_facts(ref)
        assert set(frame["user_id"]) <= {OTHER, "third"}
        assert (facts.num_events, facts.num_users) == (len(frame), frame["user_id"].nunique())
        assert (row["num_events"], row["num_users"], facts.num_late) == (len(frame), facts.num_users, 0)
    again = take_snapshot(engine, root, end=at(10))
    assert set(read_events(again)["user_id"]) == {OTHER, "third"}


def test_a_later_batch_brings_nothing_of_the_user_back_until_told(copy: Path):
    engine = open_warehouse(f"sqlite:///{copy}/warehouse.db")
    erase_user(engine, USER, places(copy, engine))
    rows = raw(user=USER, hours=45), raw(user=OTHER, hours=46), raw(user=USER, hours=47, value="bad")

    def land(name: str) -> CheckedBatch:
        arrived = received(*rows, items=(name,))
        found = check_batch(arrived, as_of=at(50), known_items={"i1"}, gx_root=copy / "gx", config=LIMITS)
        return erased_users.without_erased_users(engine, found)

    checked = land("i7")
    write_checked(checked, copy)
    result = land_batch(engine, checked)
    assert (result.received, result.accepted, result.quarantined) == (3, 1, 2)
    assert holding(copy, USER) == []
    assert erased_users.lift_tombstone(engine, USER)
    assert not erased_users.lift_tombstone(engine, USER)
    result = land_batch(engine, land("i8"))
    assert (result.accepted, result.quarantined, result.duplicates) == (1, 1, 1)
    assert USER in queries.user_ids(engine)


def test_landing_itself_refuses_erased_users(tmp_path: Path):
    from tests.data.landing import bad, batch, event

    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    erased_users.set_tombstone(engine, USER)
    result = land_batch(
        engine,
        batch(event("a", user=USER), event("b"), quarantined=(bad("x", payload=f'{{"user_id": "{USER}"}}'),)),
    )
    assert (result.received, result.accepted, result.quarantined) == (3, 1, 2)
    assert list_quarantine(engine, state=None) == []
    assert queries.counts(engine).quarantined == 0
    engine.dispose()
    assert holding(tmp_path, USER) == []


POINTS = [
    "erase:tombstone",
    "erase:events-before-commit",
    "erase:days-written",
    "erase:snapshot-rewritten",
    "erase:snapshot-superseded",
    "artifact:removed-aside",
    "erase:rewritten",
    "erase:superseded",
    "erase:pages",
]


def test_killed_anywhere_an_erasure_goes_on_where_it_was(copy: Path):
    """One home, killed at one point after another: each run gets at least as far, and the last one through."""

    def erase(**environment: str) -> int:
        return subprocess.run(
            [sys.executable, "-m", "tests.data.erasing", str(copy)],
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, **environment},
            check=False,
        ).returncode

    for point in POINTS:
        assert erase(CRASH_AT=point) == -signal.SIGKILL, point
        engine = open_warehouse(f"sqlite:///{copy}/warehouse.db")
        assert erased_users.is_erased(engine, USER)
        with reading(engine) as connection:
            assert connection.execute(select(erasures.c.finished_at)).scalars().all() == [None]
        engine.dispose()
    assert erase() == 0
    assert {path.split("/")[0] for path in holding(copy, USER)} == {
        "feast"
    }  # which the killed process left out
    engine = open_warehouse(f"sqlite:///{copy}/warehouse.db")
    for kind in (copy / "artifacts").iterdir():
        for folder in kind.iterdir() if kind.name != "partitions" else ():
            verified(folder)
    (cycle,) = cycles.cycles(engine)
    assert Path(cycle.summary["carried"]["encoders"]["path"]).exists()
    assert lists_of(engine, OTHER)["item_id"].tolist() == ["i1", "i2"]


def test_a_place_that_does_not_empty_is_named(tmp_path: Path):
    from components.data.erasure import ErasureUnfinished

    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    stuck = Place(name="elsewhere", count=lambda: 2, erase=lambda: None)
    with pytest.raises(ErasureUnfinished, match="elsewhere: 2 of the user are left"):
        erase_user(engine, USER, [stuck])
    with reading(engine) as connection:
        assert connection.execute(select(erasures.c.finished_at)).scalars().all() == [None]


def test_tombstones_tell_users_apart_and_hold_no_id(tmp_path: Path):
    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    for user in ("a", "b", "a"):
        erased_users.set_tombstone(engine, user, now=lambda: at(1))
    assert [erased_users.is_erased(engine, user) for user in ("a", "b", "c", "")] == [
        True,
        True,
        False,
        False,
    ]
    with reading(engine) as connection:
        rows = connection.execute(select(erasures)).mappings().all()
    assert (len(rows), len({row["salt"] for row in rows})) == (2, 1)


def test_no_free_page_is_left_to_read(tmp_path: Path):
    """Many rows leave pages behind, which another build of SQLite would not even have zeroed."""
    from tests.data.landing import batch, event

    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    land_batch(engine, batch(event("b"), *(event(f"e{n}", user=USER) for n in range(2_000))))
    erase_user(engine, USER, warehouse_places(engine, USER))
    engine.dispose()
    database = sqlite3.connect(tmp_path / "warehouse.db")
    assert database.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert database.execute("SELECT count(*) FROM events").fetchone() == (1,)
    assert (tmp_path / "warehouse.db-wal").stat().st_size == 0
