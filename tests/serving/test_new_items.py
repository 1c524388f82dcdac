"""Items beside a bundle: for that bundle alone, the newest of them, and a server that runs takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.artifact import ArtifactDamaged, ArtifactRef, sha256_file
from components.content_vectors import ContentVectors
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.presets import quick_mmgrec
from components.recommender.sequences import TrainingSequences
from components.recommender.train_arm import train_arm
from components.registry.bundle import BundleFacts, BundleMismatch, build_bundle
from components.serving.new_items import latest_new_items, publish_new_items, read_new_items
from components.serving.scorer import load_scorer
from components.serving.service import Service
from tests.serving.world import World

SNAPSHOT = ArtifactRef(kind="snapshot", digest="5" * 64, path="")
ITEMS = pd.DataFrame(
    {"item_id": ["n1", "n2", "z"], "title": ["New", None, "Z"], "categories": ["Drama", None, None]}
)


def told(root: Path, bundle: str, *items: str, until: str = "2026-01-01T00:00:00+00:00") -> ArtifactRef:
    codes = np.array([[0, number + 3, 0] for number in range(len(items))], dtype=np.int64).reshape(-1, 3)
    return publish_new_items(
        root,
        item_ids=np.array(items, dtype=object),
        codes=codes,
        items=ITEMS,
        bundle=ArtifactRef(kind="bundle", digest=bundle, path=""),
        snapshot=SNAPSHOT,
        known_until=until,
    )


def generative_bundle(root: Path) -> ArtifactRef:
    """Four items with codes of two levels and a collision token, three of which somebody saw."""
    ids = np.array(list("abcd"), dtype=object)
    codes = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]], dtype=np.int64)
    sequences = TrainingSequences.from_lists([["a", "b", "c"], ["b", "c"]], item_ids=ids)
    arm = train_mmgrec(sequences, codes, quick_mmgrec(), seed=7, num_codes=[4, 8, 8])

    def write_ids(folder: Path) -> None:
        columns = {"item_id": ids} | {f"code_{level}": codes[:, level] for level in range(3)}
        pd.DataFrame(columns).to_parquet(folder / "semantic_ids.parquet")

    facts = BundleFacts(
        arm=arm.name, train_end="1998-01-01T00:00:00+00:00", snapshot="5" * 64, feature_set="f" * 64,
        tokenizer="7" * 64, id_table="1" * 64, seed=7, code="c" * 64,
    )  # fmt: skip
    items = pd.DataFrame({"item_id": ids, "title": list("ABCD"), "categories": None})
    return build_bundle(root, write_arm=arm.save, write_tokenizer=write_ids, items=items, facts=facts)


def test_a_bundle_lists_items_that_it_was_told_of_and_no_others(tmp_path: Path):
    bundle = generative_bundle(tmp_path)
    new = read_new_items(told(tmp_path, bundle.digest, "n2", "n1"))
    assert new.item_ids.tolist() == ["n1", "n2"]
    asked = pd.DataFrame({"user_id": ["u"], "item_ids": [["a"]]})
    before = load_scorer(bundle.path).recommend(asked, k=9)
    after = load_scorer(bundle.path, new=new).recommend(asked, k=9)
    assert set(before["item_id"]) == {"b", "c", "d"}
    assert set(after["item_id"]) == {"b", "c", "d", "n1", "n2"}
    assert dict(zip(after["item_id"], after["title"], strict=True))["n1"] == "New"
    assert (after["bundle"] == bundle.digest).all()
    with pytest.raises(BundleMismatch, match="identified for bundle bbbb"):
        load_scorer(bundle.path, new=read_new_items(told(tmp_path, "b" * 64, "n1")))


def test_a_bundle_that_reads_content_is_told_what_new_items_are(tmp_path: Path):
    """What resembles `b` follows `a` as `b` does; told of IDs in place of content, it lists nothing more."""
    ids = np.array(list("abcd"), dtype=object)
    vectors = 3 * np.eye(4, dtype=np.float32)
    content = ContentVectors(vectors=vectors, space="text=made/4")
    walks = [["a", "b"], ["b", "c"], ["c", "d"], ["d", "a"]] * 8
    arm = train_arm(
        "m2trec", walks, [[0, 1]] * len(walks), ids, preset="quick", seed=0, content=content,
        settings={"training.epochs": 12, "training.learning_rate": 1e-2},
    )  # fmt: skip
    facts = BundleFacts(
        arm="m2trec", train_end="1998-01-01T00:00:00+00:00", snapshot="5" * 64, feature_set="f" * 64,
        tokenizer=None, id_table=None, seed=0, code="c" * 64,
    )  # fmt: skip
    items = pd.DataFrame({"item_id": ids, "title": list("ABCD"), "categories": None})
    bundle = build_bundle(tmp_path, write_arm=arm.save, write_tokenizer=None, items=items, facts=facts)
    asked = pd.DataFrame({"user_id": ["u"], "item_ids": [["a"]]})

    def listed(content: ContentVectors | None) -> list[str]:
        ref = publish_new_items(
            tmp_path, item_ids=np.array(["n2", "n1"], dtype=object), codes=np.zeros((2, 0), dtype=np.int64),
            items=ITEMS, bundle=bundle, snapshot=SNAPSHOT, known_until="2026", content=content,
        )  # fmt: skip
        return load_scorer(bundle.path, new=read_new_items(ref)).recommend(asked, k=9)["item_id"].tolist()

    found = listed(content.of(np.array([3, 1])))  # n2 is what d is, n1 what b is
    assert set(found[:2]) == {"b", "n1"}
    assert set(found) == {"b", "c", "d", "n1", "n2"}
    assert set(listed(None)) == {"b", "c", "d"}
    with pytest.raises(
        ValueError, match="the content is of the encoders 'other', the arm reads 'text=made/4'"
    ):
        listed(ContentVectors(vectors=vectors[:2], space="other"))


def test_of_several_the_one_that_reaches_furthest_counts_for_its_bundle(tmp_path: Path):
    assert latest_new_items(tmp_path, "b" * 64) is None
    late = told(tmp_path, "b" * 64, "n1", "n2", until="2026-02-01T00:00:00+00:00")
    told(tmp_path, "b" * 64, "n1")
    told(tmp_path, "d" * 64, "z", until="2026-03-01T00:00:00+00:00")
    assert latest_new_items(tmp_path, "b" * 64) == late
    assert told(tmp_path, "b" * 64, "n2", "n1", until="2026-02-01T00:00:00+00:00") != late  # other codes
    file = Path(late.path) / "items.parquet"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert sha256_file(file)
    with pytest.raises(ArtifactDamaged, match=r"items\.parquet"):
        read_new_items(late)


def test_a_running_server_takes_what_came_for_its_version(world: World):
    """Popularity knows no IDs: what it is told of is noted, and changes no list."""
    version = world.register("one", champion=True)
    service = Service(world.config())
    service.champion.look()
    first = service.champion.current
    assert first is not None
    assert first.new_items is None
    service.champion.look()
    assert service.champion.current is first  # nothing is loaded twice
    ref = told(world.home / "fetched", str(version.bundle_digest), "n1")
    service.champion.look()
    now = service.champion.current
    assert now is not None
    assert (now.new_items, now.digest) == (ref.digest, first.digest)
    assert now.item_ids.tolist() == first.item_ids.tolist()
