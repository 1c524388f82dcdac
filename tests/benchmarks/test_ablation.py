"""The ablation's arithmetic, and that it runs, stops, goes on, and knows pieces of other settings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.data.sources.synthetic import SyntheticConfig, write_synthetic
from components.recommender.presets import quick_mmgrec
from components.recommender.training.training_config import TrainingConfig
from components.tokenizer.config import quick
from tests.benchmarks import ablation
from tests.benchmarks.ablation import Plan, rows, run, split_by_user
from tests.benchmarks.catalogues import Catalogue

_TINY = Plan(
    tokenizer=replace(quick(), steps=10, graph=replace(quick().graph, steps=5)),
    recommender=replace(quick_mmgrec(), training=TrainingConfig(epochs=1, validation="none")),
    seeds=(0,),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = SyntheticConfig(num_users=40, num_items=48, num_clusters=4, image_share=0.0, audio_share=0.0)
    return write_synthetic(config, tmp_path_factory.mktemp("world") / "small")


def _catalogue(*items: list[int]) -> Catalogue:
    return Catalogue(
        name="hand",
        item_ids=np.array([f"i{row}" for row in range(12)], dtype=object),
        vectors={},
        present={},
        categories=[],
        items=[np.array(own) for own in items],
        times=[np.arange(len(own)) for own in items],
    )


def test_the_last_fifth_is_judged_but_for_what_was_there_before():
    """10 events: 8 train, 9 is new and 0 is not. 4 events are too few to judge by. 5: one is judged."""
    catalogue = _catalogue([0, 1, 2, 3, 4, 5, 6, 7, 9, 0], [0, 1, 2, 3], [3, 4, 5, 6, 7])
    split = split_by_user(catalogue, Plan())
    assert [own.tolist() for own in split.before] == [[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3], [3, 4, 5, 6]]
    assert split.asked.tolist() == [0, 2]
    assert (split.relevant.offsets.tolist(), split.relevant.items.tolist()) == ([0, 1, 2], [9, 7])


def test_differences_are_paired_over_users_and_averaged_over_seeds_first():
    """all: users .5, .7 (mean of seeds .4/.6, .6/.8). Without: .1 less for both, so no spread, in every draw."""

    def piece(*ndcg: float) -> dict[str, object]:
        return {"ndcg": list(ndcg), "cpu_seconds": 2.0}

    every, less = rows({"all": [piece(0.4, 0.6), piece(0.6, 0.8)], "no graph": [piece(0.4, 0.6)] * 2})
    assert every["ndcg@10"] == pytest.approx(0.6)
    assert every["by_seed"] == pytest.approx([0.5, 0.7])
    assert "minus_all" not in every
    assert [less[name] for name in ("minus_all", "lower", "upper")] == pytest.approx([-0.1] * 3)


def test_a_run_is_split_continued_and_made_again_under_other_settings(world, tmp_path):
    results = tmp_path / "results"
    names = ["all", "no graph", "no metadata", "no text", "relation term switched", "random IDs"]
    first = run(str(world), results=results, pieces=3, plan=_TINY)
    assert first["pieces_left"] == len(names) - 3
    assert "rows" not in first
    early = {path: path.read_bytes() for path in results.glob("*.json")}
    assert len(early) == 3

    done = run(str(world), results=results, plan=_TINY)
    assert all(path.read_bytes() == kept for path, kept in early.items())
    assert done["pieces_left"] == 0
    assert [row["variant"] for row in done["rows"]] == names
    for row in done["rows"]:
        assert 0 <= row["ndcg@10"] <= 1
        assert len(row["by_seed"]) == 1
        if row["variant"] != "all":
            assert row["lower"] <= row["minus_all"] <= row["upper"]
    texts = {json.dumps(json.loads(path.read_text())["ndcg"]) for path in results.glob("*-0.json")}
    assert len(texts) > 3, "removing a part changes the lists"

    again = run(str(world), results=results, pieces=0, plan=replace(_TINY, train_share=0.7))
    assert again["pieces_left"] == len(names)


def test_absent_data_is_said_to_be_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.benchmarks.catalogues.shared_folder", lambda: tmp_path)
    assert "skipped" in ablation.run(None)["ml-latest-small-multimodal"]
