"""A bundle is whole and of one set, or it is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.artifact import ArtifactDamaged
from components.recommender.baselines.popularity import fit_popularity
from components.recommender.weights import write_items
from components.registry.bundle import BundleFacts, BundleMismatch, build_bundle, open_bundle
from components.registry.card import model_card
from components.tokenizer.ids import SemanticIds, write_ids
from tests.registry.conftest import EVENTS, facts, flip_byte, make_bundle, published_part, titles


def test_the_same_parts_make_the_same_bundle(tmp_path: Path):
    first, again = make_bundle(tmp_path / "one"), make_bundle(tmp_path / "two")
    assert first.digest == again.digest
    assert make_bundle(tmp_path / "one", seed=8).digest != first.digest


def test_a_bundle_gives_back_what_went_in(tmp_path: Path):
    bundle = make_bundle(tmp_path)
    assert bundle.facts.arm == "popularity"
    assert bundle.tokenizer_path == bundle.path / "tokenizer"
    pd.testing.assert_frame_equal(bundle.items(), titles())


def test_the_tokenizers_health_is_read_where_it_is_kept(tmp_path: Path):
    """`health.json` of the published tokenizer, as the flow writes it beside the weights; on the card too."""
    assert make_bundle(tmp_path / "without").tokenizer_health() == {}
    bundle = make_bundle(tmp_path / "with", health={"usage_1": 0.98, "category_1_z": 12.5})
    assert bundle.tokenizer_health() == {"usage_1": 0.98, "category_1_z": 12.5}
    card = model_card(bundle, verdict="HOLD", metrics={}, tags={})
    assert "| semantic IDs, when fitted | | what it says |\n| --- | --- | --- |\n" in card
    assert re.search(r"^\| shared categories[^|]* \| 12\.5000 \| [^|]+ \|$", card, re.MULTILINE)
    without = model_card(make_bundle(tmp_path / "without"), verdict="HOLD", metrics={}, tags={})
    assert "semantic IDs, when fitted" not in without


def test_an_arm_without_semantic_ids_has_no_tokenizer(tmp_path: Path):
    bundle = make_bundle(tmp_path, tokenizer=None)
    assert bundle.tokenizer_path is None
    assert not (bundle.path / "tokenizer").exists()


@pytest.mark.parametrize(
    "name",
    ["arm/item_ids.parquet", "arm/arm.json", "items.parquet", "tokenizer/id_table/part.json", "bundle.json"],
)
def test_one_flipped_byte_is_refused_by_name(tmp_path: Path, name: str):
    bundle = make_bundle(tmp_path)
    flip_byte(bundle.path / name)
    with pytest.raises(ArtifactDamaged, match=name):
        open_bundle(bundle.path)


def test_a_flipped_byte_of_the_manifest_is_refused(tmp_path: Path):
    bundle = make_bundle(tmp_path)
    flip_byte(bundle.path / "manifest.json")
    with pytest.raises(ArtifactDamaged, match=r"manifest\.json"):
        open_bundle(bundle.path)


@pytest.mark.parametrize("kind", ["tokenizer", "id_table"])
def test_parts_of_two_sets_are_refused(tmp_path: Path, kind: str):
    """Facts that name one tokenizer (or ID table), beside the files of another."""
    digests, copies = {}, {}
    for part in ("tokenizer", "id_table"):
        digests[part], copies[part] = published_part(tmp_path, part, '"first"')
    _, copies[kind] = published_part(tmp_path, kind, '"second"')
    with pytest.raises(BundleMismatch, match=kind):
        build_bundle(
            tmp_path,
            write_arm=fit_popularity(EVENTS).save,
            write_tokenizer=lambda folder: [copy(folder) for copy in copies.values()],
            items=titles(),
            facts=facts(**digests),
        )
    assert not list((tmp_path / "bundle").iterdir())


def test_an_id_table_of_another_tokenizer_is_refused(tmp_path: Path):
    tokenizer, copy_tokenizer = published_part(tmp_path, "tokenizer", '"first"')
    id_table, copy_table = published_part(tmp_path, "id_table", '"first"', {"tokenizer": "d" * 64})
    with pytest.raises(BundleMismatch, match="was made by tokenizer dddddddddddd"):
        build_bundle(
            tmp_path,
            write_arm=fit_popularity(EVENTS).save,
            write_tokenizer=lambda folder: [copy_tokenizer(folder), copy_table(folder)],
            items=titles(),
            facts=facts(tokenizer=tokenizer, id_table=id_table),
        )


@pytest.mark.parametrize(
    ("trained_on", "complaint"),
    [
        ([[0, 0], [1, 0]], None),
        ([[0, 0], [0, 1]], "1 of 2 items have other codes than in the ID table; first is item 'b'"),
        ([[0, 0, 0], [1, 0, 0]], "2 of 2 items have other codes"),
    ],
)
def test_an_arm_ships_with_the_codes_it_was_trained_on(
    tmp_path: Path, trained_on: list[list[int]], complaint: str | None
):
    """The table says a = (0, 0), b = (1, 0), and has c, an item that came later."""
    known = SemanticIds(
        item_ids=np.array(["a", "b", "c"], dtype=object), codes=np.array([[0, 0], [1, 0], [1, 1]])
    )

    def write_arm(folder: Path) -> None:
        write_items(folder, np.array(["a", "b"], dtype=object), {}, np.array(trained_on))

    def build() -> object:
        return build_bundle(
            tmp_path,
            write_arm=write_arm,
            write_tokenizer=lambda folder: write_ids(known, folder / "semantic_ids.parquet"),
            items=titles(),
            facts=facts(tokenizer="d" * 64, id_table="e" * 64),
        )

    if complaint is None:
        build()
    else:
        with pytest.raises(BundleMismatch, match=complaint):
            build()


def test_an_arm_with_codes_is_refused_without_its_id_table(tmp_path: Path):
    def write_arm(folder: Path) -> None:
        write_items(folder, np.array(["a", "b"], dtype=object), {}, np.array([[0, 0], [1, 0]]))

    with pytest.raises(BundleMismatch, match=r"0 files semantic_ids\.parquet"):
        build_bundle(tmp_path, write_arm=write_arm, write_tokenizer=None, items=titles(), facts=facts())


def test_a_tokenizer_without_its_digests_is_refused(tmp_path: Path):
    with pytest.raises(BundleMismatch, match="Pass both or neither"):
        build_bundle(
            tmp_path,
            write_arm=fit_popularity(EVENTS).save,
            write_tokenizer=lambda folder: None,
            items=titles(),
            facts=facts(),
        )


def test_a_pickle_is_refused(tmp_path: Path):
    def write_pickle(folder: Path) -> None:
        (folder / "weights.pt").write_bytes(b"\x80\x04.")

    with pytest.raises(BundleMismatch, match=r"arm/weights\.pt"):
        build_bundle(tmp_path, write_arm=write_pickle, write_tokenizer=None, items=titles(), facts=facts())


def test_an_item_that_stands_twice_is_refused(tmp_path: Path):
    twice = pd.concat([titles(), titles().head(1)])
    with pytest.raises(BundleMismatch, match="'a' stands more than once"):
        build_bundle(
            tmp_path,
            write_arm=fit_popularity(EVENTS).save,
            write_tokenizer=None,
            items=twice,
            facts=facts(),
        )


def test_a_format_that_is_said_is_the_one_that_is_meant():
    said = facts().to_dict()
    assert BundleFacts.from_dict(said | {"format": 1}) == facts()
    with pytest.raises(BundleMismatch, match="the bundle has format 2"):
        BundleFacts.from_dict(said | {"format": 2})


@pytest.mark.parametrize("moment", ["1998-01-01T00:00:00", "1998-01-01T00:00:00+02:00"])
def test_the_end_of_training_is_said_in_utc(moment: str):
    with pytest.raises(ValueError, match="UTC"):
        BundleFacts(**{**vars(facts()), "train_end": moment})
