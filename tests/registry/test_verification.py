"""What is on record of a version against what lies there: a byte, a tag, a row, a commit that is another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.artifact import ArtifactRef, publish
from components.data.artifact_erasure import supersede
from components.data.origins import batches_of_snapshot, events_of_batches
from components.data.warehouse import Engine, writing
from components.registry.bundle import Bundle
from components.registry.verification import (
    Finding,
    checked_batches,
    checked_claims,
    checked_code,
    find_stored,
    stored,
)
from tests.registry.landing import land, snapshot_row

SNAPSHOT = "5" * 64


def published(root: Path, content: str, *, kind: str = "training_set", received: str = "") -> ArtifactRef:
    def write(folder: Path) -> None:
        (folder / "rows.txt").write_text(content)

    return publish(root, kind, write, parents={"received": received} if received else {}, config={})


def test_an_artifact_that_is_whole_is_the_same(warehouse: Engine, tmp_path: Path):
    ref = published(tmp_path, "rows")
    found = stored(warehouse, tmp_path, "training_set", ref.digest)
    assert found.finding == Finding(
        stage="training set", recorded=ref.digest, found=ref.digest, verdict="same"
    )
    assert found.artifact == found.original == ref


def test_a_flipped_byte_is_named_and_a_folder_that_is_gone_is_missing(warehouse: Engine, tmp_path: Path):
    ref = published(tmp_path, "rows")
    (Path(ref.path) / "rows.txt").write_text("cows")
    broken = stored(warehouse, tmp_path, "training_set", ref.digest)
    assert (broken.finding.verdict, broken.finding.found, broken.artifact) == ("differs", "damaged", None)
    assert "rows.txt: SHA-256 is" in broken.finding.note
    shutil.rmtree(ref.path)
    gone = stored(warehouse, tmp_path, "training_set", ref.digest)
    assert (gone.finding.verdict, gone.artifact) == ("missing", None)
    assert "pruned" in gone.finding.note


def test_another_artifact_under_its_name_differs(warehouse: Engine, tmp_path: Path):
    ref, other = published(tmp_path, "rows"), published(tmp_path, "others")
    shutil.rmtree(ref.path)
    shutil.copytree(other.path, ref.path)
    found = stored(warehouse, tmp_path, "training_set", ref.digest)
    assert (found.finding.verdict, found.finding.found, found.artifact) == ("differs", other.digest, None)


@pytest.mark.parametrize("leaves", [True, False])
def test_what_an_erasure_wrote_anew_is_told_as_that(warehouse: Engine, tmp_path: Path, leaves: bool):
    ref, without = published(tmp_path, "ada and bob"), published(tmp_path, "bob")
    with writing(warehouse, "artifacts") as connection:
        supersede(connection, ref, without if leaves else None)
    found = stored(warehouse, tmp_path, "training_set", ref.digest)
    assert (found.finding.verdict, found.is_erased) == ("erased", True)
    assert (found.artifact, found.original) == (without if leaves else None, None)


def test_a_tag_that_was_changed_is_named(bundle: Bundle):
    claims = {
        "bundle": bundle.digest,
        "arm": "popularity",
        "seed": str(bundle.facts.seed),
        "commit": "0ff1ce",
    }
    (held,) = checked_claims(claims, bundle)
    assert (held.verdict, held.found) == ("same", "3 held")
    (broken,) = checked_claims(claims | {"seed": "8"}, bundle)
    assert (broken.stage, broken.recorded, broken.found, broken.verdict) == (
        "tag recloop.seed", "8", str(bundle.facts.seed), "differs",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("recorded", "now", "verdict", "told"),
    [
        ("0ff1ce", "0ff1ce", "same", ""),
        ("0ff1ce+dirty", "0ff1ce", "other commit", "held more than its commit"),
        ("0ff1ce", "0ff1ce+dirty", "other commit", "changes that are not committed"),
        ("0ff1ce", "c0ffee", "other commit", "at another commit"),
    ],
)
def test_commits(recorded: str, now: str, verdict: str, told: str):
    code, commit = checked_code({"code": "c", "commit": recorded}, code="d", commit=now)
    assert (code.verdict, commit.verdict) == ("other code", verdict)
    assert told in commit.note
    assert [found.verdict for found in checked_code({"code": "c"}, code="c", commit=now)] == ["same"]


def test_batches_are_held_against_what_came_and_what_is_there(warehouse: Engine, tmp_path: Path):
    """Batch 1 is whole; of batch 2 the checked batch is gone and a row too; batch 3 came after the snapshot."""
    for number in (1, 2, 3):
        land(warehouse, number, events=["a", "b"])
    published(tmp_path, "batch", kind="checked_batch", received=f"{1:064d}")
    snapshot_row(warehouse, SNAPSHOT, watermark=2)
    with writing(warehouse, "test") as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE event_id = '2-a'")
    landed, accepted = batches_of_snapshot(warehouse, SNAPSHOT), events_of_batches(warehouse)
    assert accepted == {1: (2, 2), 2: (2, 1), 3: (2, 2)}
    told = {f.stage: f.verdict for f in checked_batches(tmp_path, landed, accepted, has_erased=False)}
    assert told == {
        "batch 1": "same", "rows of batch 1": "same", "batch 2": "missing", "rows of batch 2": "differs",
    }  # fmt: skip
    erased = {f.stage: f.verdict for f in checked_batches(tmp_path, landed, accepted, has_erased=True)}
    assert erased["rows of batch 2"] == "erased"


def test_an_artifact_is_found_by_its_manifest(tmp_path: Path):
    ref = published(tmp_path, "rows")
    (tmp_path / "training_set" / "no-manifest").mkdir()
    found = find_stored(tmp_path, "training_set", lambda manifest: "rows.txt" in manifest["files"])
    assert found is not None
    assert found["digest"] == ref.digest
    assert find_stored(tmp_path, "training_set", lambda manifest: False) is None
