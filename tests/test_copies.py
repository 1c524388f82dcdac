"""Copies in an object store: written through, fetched whole or not at all, refused where they are damaged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from components.artifact import (
    ArtifactDamaged,
    ArtifactNewer,
    ArtifactRef,
    bring_here,
    present,
    publish,
    verified,
)
from components.copies import CopiesUnreachable, copies_of
from components.data import artifact_erasure, journal
from components.data.artifact_erasure import drop_superseded
from components.data.erasure import erase_user
from components.data.ingest import land_batch
from components.data.pruning import plan_pruning, prune
from components.data.snapshot import read_events, take_snapshot
from components.data.snapshot_erasure import snapshot_place
from components.data.warehouse import open_warehouse
from tests.data.erasing import USER
from tests.data.landing import at, batch, event
from tests.object_store import BUCKET, ObjectStore, running_object_store

WORDS = {"words.txt": "some words", "inside/more.txt": "more words", "empty.txt": ""}


@dataclass(frozen=True, kw_only=True)
class Gave:
    """What a stage gave."""

    ref: ArtifactRef


@pytest.fixture(scope="module")
def objects() -> Iterator[ObjectStore]:
    with running_object_store() as store:
        yield store


@pytest.fixture
def root(objects: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The artifacts of a home whose copies lie in a folder of the bucket that is named like the test's."""
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path))
    monkeypatch.setenv("RECLOOP_ARTIFACTS_URL", f"s3://{BUCKET}/{tmp_path.name}")
    return tmp_path / "artifacts"


def make(root: Path, *, words: dict[str, str] = WORDS, kind: str = "arm") -> ArtifactRef:
    def write(folder: Path) -> None:
        for name, text in words.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)

    return publish(root, kind, write, parents={}, config={"seed": 1})


def other_machine(root: Path) -> None:
    """The same home with an empty disk."""
    shutil.rmtree(root)
    root.mkdir()


def test_what_one_machine_publishes_another_one_reads(root: Path, objects: ObjectStore):
    ref = make(root)
    key = f"{root.parent.name}/arm/{ref.digest[:20]}"
    assert objects.keys(key).keys() == {f"{key}/{name}" for name in (*WORDS, "manifest.json")}
    other_machine(root)
    assert present(ref.path)
    assert verified(ref.path)["digest"] == ref.digest
    assert {name: (Path(ref.path) / name).read_text() for name in WORDS} == WORDS
    assert [path.name for path in (root / "arm").iterdir()] == [ref.digest[:20]]  # nothing aside
    assert not present(root / "arm" / ("0" * 20))


def test_verifying_fetches_what_is_missing_and_a_whole_kind_is_brought(root: Path):
    refs = [make(root, words={"w": str(n)}) for n in range(3)]
    other_machine(root)
    assert verified(refs[0].path)["digest"] == refs[0].digest
    bring_here(root, "arm")
    assert {path.name for path in (root / "arm").iterdir()} == {ref.digest[:20] for ref in refs}


def test_published_again_after_a_kill_before_the_copy(root: Path, objects: ObjectStore):
    """The folder is here and the store has nothing; the same stage again copies it."""
    code = "from tests.test_copies import make; from pathlib import Path; import sys; make(Path(sys.argv[1]))"
    killed = subprocess.run(
        [sys.executable, "-c", code, str(root)],
        env={**os.environ, "CRASH_AT": "publish:before-copy"},
        cwd=Path(__file__).resolve().parents[1],
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(list((root / "arm").iterdir())) == 1
    assert objects.keys(f"{root.parent.name}/") == {}
    ref = make(root)
    other_machine(root)
    assert present(ref.path)


def test_half_a_copy_is_none_and_is_finished_by_the_next(root: Path, objects: ObjectStore):
    ref = make(root)
    manifest = f"{root.parent.name}/arm/{ref.digest[:20]}/manifest.json"
    objects.client.delete_object(Bucket=BUCKET, Key=manifest)
    other_machine(root)
    assert not present(ref.path)
    make(root)
    assert manifest in objects.keys(root.parent.name)


@pytest.mark.parametrize("how", ["changed", "cut", "missing", "strange", "another"])
def test_a_damaged_copy_is_refused_by_name_and_not_put_in_place(root: Path, objects: ObjectStore, how: str):
    ref = make(root)
    key = f"{root.parent.name}/arm/{ref.digest[:20]}"
    if how == "missing":
        objects.client.delete_object(Bucket=BUCKET, Key=f"{key}/words.txt")
    elif how == "another":  # whole, but under this name
        other = make(root, words={"other": "words"})
        for name in ("other", "manifest.json"):
            objects.write(
                f"{key}/{name}", objects.content(f"{root.parent.name}/arm/{other.digest[:20]}/{name}")
            )
        for name in WORDS:
            objects.client.delete_object(Bucket=BUCKET, Key=f"{key}/{name}")
    else:
        content = {"changed": b"some worlds", "cut": b"some", "strange": b"x"}[how]
        objects.write(f"{key}/{'stranger' if how == 'strange' else 'words.txt'}", content)
    other_machine(root)
    with pytest.raises(ArtifactDamaged, match=f"s3://{BUCKET}/{root.parent.name}/arm/{ref.digest[:20]}"):
        verified(ref.path)
    assert list((root / "arm").iterdir()) == []


def test_a_copy_of_a_newer_release_is_no_damage(root: Path, objects: ObjectStore):
    ref = make(root)
    key = f"{root.parent.name}/arm/{ref.digest[:20]}/manifest.json"
    objects.write(key, json.dumps(json.loads(objects.content(key)) | {"format": 2}).encode())
    other_machine(root)
    for ask in (lambda: verified(ref.path), lambda: bring_here(root, "arm")):
        with pytest.raises(ArtifactNewer, match="has format 2"):
            ask()
    assert objects.content(key)


def test_a_key_that_leads_out_of_its_folder_is_not_followed(root: Path, objects: ObjectStore):
    ref = make(root)
    objects.write(f"{root.parent.name}/arm/{ref.digest[:20]}/../../../../evil.txt", b"evil")
    other_machine(root)
    with pytest.raises((CopiesUnreachable, ArtifactDamaged)):
        present(ref.path)
    assert not list(root.parent.parent.rglob("evil.txt"))


def test_a_store_that_is_away_costs_one_message_and_nothing_else(
    root: Path, monkeypatch: pytest.MonkeyPatch, objects: ObjectStore
):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(CopiesUnreachable, match=r"RECLOOP_ARTIFACTS_URL") as told:
        make(root)
    assert f"s3://{BUCKET}/{root.parent.name}" in str(told.value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    ref = make(root)  # goes on
    other_machine(root)
    assert present(ref.path)


def test_a_bucket_that_does_not_exist_is_named(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECLOOP_ARTIFACTS_URL", "s3://nobodys-bucket/x")
    with pytest.raises(CopiesUnreachable, match="nobodys-bucket"):
        make(root)


def test_other_stores_by_pyarrow_and_by_fsspec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path / "home"))
    for url in (f"file://{tmp_path}/store", "memory://store"):
        monkeypatch.setenv("RECLOOP_ARTIFACTS_URL", url)
        root = tmp_path / "home" / "artifacts"
        ref = make(root)
        other_machine(root)
        assert present(ref.path), url
        copies = copies_of(root)
        assert copies is not None
        assert [(entry.kind, entry.name) for entry in copies.entries()] == [("arm", ref.digest[:20])]
        copies.remove(Path(ref.path))
        assert copies.entries() == []


def test_which_folders_have_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path))
    for nothing in ("", "local"):
        monkeypatch.setenv("RECLOOP_ARTIFACTS_URL", nothing)
        assert copies_of(tmp_path / "artifacts") is None
    monkeypatch.setenv("RECLOOP_ARTIFACTS_URL", "memory://store")
    assert copies_of(tmp_path / "elsewhere") is None
    monkeypatch.setenv("RECLOOP_ARTIFACTS", str(tmp_path / "elsewhere"))
    assert copies_of(tmp_path / "artifacts") is None
    assert copies_of(tmp_path / "elsewhere" / "arm" / "x") is not None
    monkeypatch.setenv("RECLOOP_ARTIFACTS_URL", "bucket/prefix")
    with pytest.raises(CopiesUnreachable, match="s3://bucket/prefix"):
        copies_of(tmp_path / "elsewhere")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    opened = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    rows = [event(str(n), user=USER if n % 2 else "other", hours=30 * n) for n in range(6)]
    land_batch(opened, batch(*rows))
    return opened


def test_days_of_a_snapshot_go_with_it(root: Path, engine: Engine):
    ref = take_snapshot(engine, root, end=at(1000))
    before = read_events(ref)
    other_machine(root)
    assert read_events(ref).equals(before)
    assert len(before) == 6
    day = min((root / "partitions").glob("*.parquet"))
    copies = copies_of(root)
    assert copies is not None
    copies.remove(day)
    day.unlink()
    with pytest.raises(ArtifactDamaged, match=day.name):
        read_events(ref)
    assert take_snapshot(engine, root, end=at(1000)) == ref  # the day is written anew
    assert read_events(ref).equals(before)


def test_an_erasure_reaches_what_lies_in_the_store_alone_and_copies_of_other_machines(
    root: Path, engine: Engine, objects: ObjectStore, tmp_path: Path
):
    ref = take_snapshot(engine, root, end=at(1000))
    elsewhere = tmp_path / "another machine"
    shutil.copytree(root, elsewhere)
    other_machine(root)
    erase_user(engine, USER, (snapshot_place(engine, root, USER),))
    # the events themselves are of another place, so the day files are what counts
    held = {key: objects.content(key) for key in objects.keys(root.parent.name)}
    assert held
    assert not [key for key, content in held.items() if USER.encode() in content]
    assert not present(ref.path)
    shutil.rmtree(root)
    elsewhere.rename(root)  # that machine goes on
    assert any(USER.encode() in path.read_bytes() for path in root.rglob("*.parquet"))
    assert drop_superseded(engine, root) == 1 + 3
    assert not any(USER.encode() in path.read_bytes() for path in root.rglob("*.parquet"))
    assert drop_superseded(engine, root) == 0


def test_an_erasure_on_a_second_machine_brings_nobody_back(
    root: Path, engine: Engine, objects: ObjectStore, tmp_path: Path
):
    """That machine still holds copies with the first user, and erases another one."""
    take_snapshot(engine, root, end=at(1000))
    elsewhere = tmp_path / "another machine"
    shutil.copytree(root, elsewhere)
    erase_user(engine, USER, (snapshot_place(engine, root, USER),))
    shutil.rmtree(root)
    elsewhere.rename(root)
    erase_user(engine, "other", (snapshot_place(engine, root, "other"),))
    for user in (USER, "other"):
        assert not any(user.encode() in path.read_bytes() for path in root.rglob("*.parquet"))
        assert not [k for k in objects.keys(root.parent.name) if user.encode() in objects.content(k)]


def test_a_damaged_copy_is_no_reason_to_stop_looking_nor_to_lose_what_is_here(
    root: Path, objects: ObjectStore
):
    good, bad = make(root), make(root, words={"b": "bad"})
    objects.write(f"{root.parent.name}/arm/{bad.digest[:20]}/b", b"worse")
    other_machine(root)
    assert bring_here(root, "arm") == [Path(bad.path)]
    assert present(good.path)
    (Path(good.path) / "words.txt").write_text("bitten")  # the store's copy is whole
    assert artifact_erasure._manifest_of(Path(good.path))["digest"] == good.digest
    assert present(good.path)


def test_a_copy_that_was_cut_off_is_written_anew(root: Path, engine: Engine, objects: ObjectStore):
    snapshot = take_snapshot(engine, root, end=at(1000))
    key = min(objects.keys(f"{root.parent.name}/partitions/"))
    objects.write(key, objects.content(key)[:-7])
    take_snapshot(engine, root, end=at(1000))
    other_machine(root)
    assert len(read_events(snapshot)) == 6


def test_what_lies_in_the_store_alone_is_pruned_too(root: Path, engine: Engine, objects: ObjectStore):
    """But for what this warehouse has never named: another one may need it."""
    ref, kept, strange = make(root), make(root, words={"k": "kept"}), make(root, words={"s": "strange"})
    journal.record(
        engine, key="k", stage="train", output=Gave(ref=ref), seconds=1.0, peak_mb=1.0, run="r",
        now=lambda: datetime(2020, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    snapshot = take_snapshot(engine, root, end=at(1000))
    other_machine(root)
    plan = plan_pruning(
        engine, root, keep={kept.digest, snapshot.digest}, older_than=timedelta(seconds=-5)
    )  # fmt: skip
    assert [(entry.kind, entry.digest) for entry in plan.prunable] == [("arm", ref.digest)]
    assert plan.size > 0
    prune(engine, plan)
    assert not present(ref.path)
    assert present(kept.path)
    assert present(strange.path)
    assert len(read_events(snapshot)) == 6  # its days are still there
