"""Vectors that the source brings, through the command line: said, trained on, part of the key, held to one width."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.sources.synthetic import write_synthetic
from components.features.vectors import load_matrices
from tests.flows.conftest import Estate
from tests.flows.worlds import WORLD, Home

BARE = replace(WORLD, image_share=0.0, audio_share=0.0)
ASKED = ("--preset", "quick", "--train-cutoff", "2024-02-01T00:00Z", "--as-of", "2024-02-15T00:00Z")
SAID = "retrain.json"  # what the command wrote to stdout
MAP = ("--map", "vectors=embeddings.parquet,vector=embed")


def write_vectors(folder: Path, rows: np.ndarray) -> None:
    """Of all items but the last three, and of one that nobody knows."""
    items = sorted(pd.read_parquet(folder / "items.parquet")["item_id"])
    ids = [*items[: len(items) - 3], "stranger"]
    table = pa.table({"item_id": ids, "embed": rows[: len(ids)].tolist()})
    pq.write_table(table, folder / "embeddings.parquet")


def given(width: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(BARE.num_items, width)).astype(np.float32)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of titles and events alone, with vectors beside them."""
    folder = write_synthetic(BARE, tmp_path_factory.mktemp("data") / "bare-world")
    items = pd.read_parquet(folder / "items.parquet")
    items[["item_id", "title", "available_at"]].to_parquet(folder / "items.parquet", index=False)
    write_vectors(folder, given(8))
    return folder


@pytest.fixture(scope="module")
def trained(estate: Estate, bare: Path) -> Home:
    home = estate.home("given-vectors", bare)
    done = home.recloop("retrain", "--source", str(bare), *MAP, *ASKED, "--json")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (home.settings.home / SAID).write_text(done.stdout)
    return home


def test_a_script_reads_the_cycle(trained: Home) -> None:
    """One object, the same that `recloop verdict --json` gives of the cycle from then on."""
    told = json.loads((trained.settings.home / SAID).read_text())
    assert [told] == json.loads(trained.recloop("verdict", "--json").stdout)
    assert (told["source"], told["version"]) == (str(trained.data), "1")


def test_validate_says_how_many_items_have_one(trained: Home) -> None:
    said = trained.recloop("validate", "--source", str(trained.data), *MAP).stdout
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
        asked = ("--source", str(trained.data), *MAP, *ASKED, "--json")
        return {
            stage["stage"]: stage["lot"]
            for stage in json.loads(trained.recloop("plan", *asked).stdout)["stages"]
        }

    before, rows = lots(), given(8)
    rows[0, 0] += 1
    write_vectors(trained.data, rows)
    after = lots()
    write_vectors(trained.data, given(8))
    assert (before["check batch"], before["encode items"]) == ("reused", "reused")
    assert (after["check batch"], after["encode items"]) == ("reused", "runs")
