"""Vectors that the source brings, through the command line: said, trained on, part of the key, held to one width."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from components.features.vectors import load_matrices
from tests.flows.own_files import ASKED, MAP, SAID, vectors_of_width, write_vectors
from tests.flows.worlds import Home


@pytest.fixture
def trained(own_files: tuple[Home, str]) -> Home:
    return own_files[0]


def test_a_script_reads_the_cycle(trained: Home) -> None:
    """One object, the same that `recloop verdict --json` gives of the cycle from then on."""
    told = json.loads((trained.settings.home / SAID).read_text())
    assert [told] == json.loads(trained.recloop("verdict", "--json").stdout)
    assert (told["source"], told["version"]) == (str(trained.data), "1")


def test_validate_says_how_many_items_have_one(trained: Home) -> None:
    said = trained.recloop("validate", "--source", str(trained.data), "--map", MAP).stdout
    assert "vectors: embeddings.parquet, 8 wide, 57 of 60 items" in said
    assert "1 vectors are of no item, such as 'stranger', and are left" in said


def test_a_cycle_trains_on_them(trained: Home) -> None:
    """Beside titles they are the only modality, and reach the tokenizer as they came back from Feast."""
    feature_set = Path(trained.outputs(0)["encode items"]["feature_set"]["path"])
    notes = json.loads((feature_set / "notes.json").read_text())
    assert notes["encoders"]["embedding"] == "precomputed/8"
    assert notes["encoders"].keys() == {"embedding", "text"}
    vectors, present = load_matrices(feature_set / "vectors.safetensors")
    assert np.linalg.norm(vectors["embedding"][present["embedding"]], axis=1) == pytest.approx(1)
    assert trained.outputs(0)["check vectors"]["present"]["embedding"] == present["embedding"].sum()
    tokenizer = Path(trained.outputs(0)["fit tokenizer"]["tokenizer"]["path"])
    assert json.loads((tokenizer / "tokenizer.json").read_text())["modalities"] == ["embedding", "text"]


def test_changed_vectors_make_new_features(trained: Home) -> None:
    """While they are as they were, the cycle's stages are reused; of one that has changed items are encoded anew."""

    def lots() -> dict[str, str]:
        asked = ("--source", str(trained.data), *ASKED, "--json")
        return {
            stage["stage"]: stage["lot"]
            for stage in json.loads(trained.recloop("plan", *asked).stdout)["stages"]
        }

    before, rows = lots(), vectors_of_width(8)
    rows[0, 0] += 1
    write_vectors(trained.data, rows)
    after = lots()
    write_vectors(trained.data, vectors_of_width(8))
    assert (before["check batch"], before["encode items"]) == ("reused", "reused")
    assert (after["check batch"], after["encode items"]) == ("reused", "runs")
