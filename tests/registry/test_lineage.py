"""From a version, a served item and a catalogue item back to tokenizer, snapshot, batch and commit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from components.data.recommendations import record_list
from components.data.warehouse import Engine
from components.recommender.weights import write_items
from components.registry.bundle import Bundle, build_bundle, open_bundle
from components.registry.lineage import (
    BrokenClaim,
    NoSuchOrigin,
    Origin,
    broken_claims,
    claims_of,
    lineage,
    lineage_of_item,
    lineage_of_recommendation,
)
from components.registry.registration import register_bundle
from components.registry.tracking import TrackingRun
from components.tokenizer.ids import SemanticIds, write_ids
from tests.registry.conftest import facts, titles
from tests.registry.landing import land, snapshot_row

SNAPSHOT = "5" * 64


@pytest.fixture
def tokenized(tmp_path: Path) -> Bundle:
    """Item a is 0-0, b is 1-0; c came later and is 1-1."""
    known = SemanticIds(
        item_ids=np.array(["a", "b", "c"], dtype=object), codes=np.array([[0, 0], [1, 0], [1, 1]])
    )

    def write_arm(folder: Path) -> None:
        write_items(folder, np.array(["a", "b"], dtype=object), {}, np.array([[0, 0], [1, 0]]))

    ref = build_bundle(
        tmp_path,
        write_arm=write_arm,
        write_tokenizer=lambda folder: write_ids(known, folder / "semantic_ids.parquet"),
        items=titles(),
        facts=facts(tokenizer="d" * 64, id_table="e" * 64, seed=4711),
    )
    return open_bundle(ref.path)


def walk(origin: Origin) -> Iterator[Origin]:
    yield origin
    for part in origin.made_from:
        yield from walk(part)


def kinds(origin: Origin) -> list[str]:
    return [part.kind for part in walk(origin)]


def only(origin: Origin, kind: str) -> Origin:
    (found,) = [part for part in walk(origin) if part.kind == kind]
    return found


def registered(bundle: Bundle, run: TrackingRun, model: str, commit: str = "0ff1ce") -> None:
    tags = {"recloop.commit": commit}
    register_bundle(bundle, run=run, model_name=model, verdict="HOLD", metrics={}, tags=tags)


def test_from_a_version_to_commit_and_batches(bundle: Bundle, run: TrackingRun, warehouse: Engine):
    registered(bundle, run, "walks")
    for batch in (1, 2, 3):
        land(warehouse, batch)
    snapshot_row(warehouse, SNAPSHOT, watermark=2)
    root = lineage("walks", "1", warehouse)
    made = root.made_from[0]
    assert (root.id, made.kind, made.id) == ("models:/walks/1", "bundle", bundle.digest)
    tokenizer = Origin(kind="tokenizer", id=str(bundle.facts.tokenizer))
    assert Origin(kind="id_table", id=str(bundle.facts.id_table), made_from=(tokenizer,)) in made.made_from
    assert only(root, "code").made_from == (Origin(kind="commit", id="0ff1ce"),)
    assert only(root, "run").id == run.run_id
    snapshot = only(root, "snapshot")
    assert (snapshot.id, [batch.id for batch in snapshot.made_from]) == (SNAPSHOT, ["1", "2"])
    assert snapshot.made_from[0].note.startswith("folder, landed 1970-01-01")
    assert "batch" not in kinds(lineage("walks", "1"))


def test_a_working_copy_with_changes_is_marked(bundle: Bundle, run: TrackingRun):
    registered(bundle, run, "dirty", commit="0ff1ce+dirty")
    commit = only(lineage("dirty", "1"), "commit")
    assert (commit.id, "not committed" in commit.note) == ("0ff1ce", True)


def test_from_a_recommended_item_to_the_version_that_listed_it(
    bundle: Bundle, run: TrackingRun, warehouse: Engine
):
    registered(bundle, run, "served")
    for moment in (datetime(1998, 1, 1, tzinfo=UTC), datetime(1998, 1, 2, tzinfo=UTC)):
        record_list(
            warehouse,
            user_id="u1",
            item_ids=["b", "c"],
            scores=[2.0, 1.0],
            model_version="1",
            now=lambda moment=moment: moment,
        )
    root = lineage_of_recommendation(warehouse, "served", "u1", "c")
    assert (root.kind, root.id, root.note) == (
        "recommendation",
        "c",
        "rank 2 for user u1 at 1998-01-02 00:00Z",
    )
    assert {"version", "bundle", "snapshot", "tokenizer", "commit"} <= set(kinds(root))
    with pytest.raises(NoSuchOrigin, match="never recommended to user 'u2'"):
        lineage_of_recommendation(warehouse, "served", "u2", "c")


def test_from_an_item_to_its_semantic_id_and_its_batches(tokenized: Bundle, warehouse: Engine):
    for batch in (1, 2, 3):
        land(warehouse, batch)
    land(warehouse, 4, items=["c"])
    land(warehouse, 5, events=["c", "a"])
    root = lineage_of_item(warehouse, "c", tokenized)
    semantic = only(root, "semantic_id")
    assert semantic.id == "1-1"
    assert only(semantic, "tokenizer").id == "d" * 64
    assert only(semantic, "id_table").id == "e" * 64
    assert [part.id for part in root.made_from if part.kind == "batch"] == ["4", "5"]
    with pytest.raises(NoSuchOrigin, match="'z'"):
        lineage_of_item(warehouse, "z", tokenized)


def test_claims_are_compared_with_what_came_out_again(bundle: Bundle, run: TrackingRun):
    registered(bundle, run, "claims")
    claims = claims_of("claims", "1")
    assert claims["snapshot"] == SNAPSHOT
    assert claims["commit"] == "0ff1ce"
    assert broken_claims(claims, claims) == []
    assert broken_claims(claims, {"bundle": claims["bundle"], "feature_set": "0" * 64, "more": "x"}) == [
        BrokenClaim(kind="feature_set", claimed="f" * 64, found="0" * 64)
    ]
