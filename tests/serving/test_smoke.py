"""A bundle that serves passes; one that loads and answers wrongly is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.artifact import ArtifactDamaged
from components.recommender.arm import Histories, Ranked
from components.serving import smoke
from components.serving.scorer import Scorer, load_scorer
from components.serving.smoke import DoesNotServe, check_serves
from tests.registry.conftest import flip_byte, make_bundle


def test_a_bundle_that_answers_passes(tmp_path: Path):
    check_serves(make_bundle(tmp_path).path)


def test_a_damaged_bundle_does_not(tmp_path: Path):
    bundle = make_bundle(tmp_path)
    flip_byte(bundle.path / "items.parquet")
    with pytest.raises(ArtifactDamaged):
        check_serves(bundle.path)


class Broken:
    """An arm whose lists come out wrong in one way."""

    def __init__(self, items: list[int], scores: list[float]) -> None:
        self.items, self.scores = items, scores

    def recommend(self, histories: Histories, *, k: int, exclude_seen: bool = True) -> Ranked:
        rows = len(histories.start)
        return Ranked(
            items=np.tile(np.array(self.items), (rows, 1)), scores=np.tile(np.array(self.scores), (rows, 1))
        )


@pytest.mark.parametrize(
    ("items", "scores", "complaint"),
    [
        ([0, 1, 2, 3, -1], [5, 4, 3, 2, -np.inf], "4 of 5 places"),
        ([0, 1, 2, 3, 3], [5, 4, 3, 2, 1], "stands twice"),
        ([0, 1, 2, 3, 4], [5, 4, np.nan, 2, 1], "not a finite number"),
    ],
)
def test_a_list_that_is_amiss_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, items: list[int], scores: list[float], complaint: str
):
    def load(path: Path) -> Scorer:
        return replace(load_scorer(path), arm=Broken(items, scores))

    monkeypatch.setattr(smoke, "load_scorer", load)
    with pytest.raises(DoesNotServe, match=complaint):
        check_serves(make_bundle(tmp_path).path)
