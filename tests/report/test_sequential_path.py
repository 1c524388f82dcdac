"""The sequential path's figure: only looks that know something, and the look that decided."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.sequential import SequentialPath, follow
from components.report.sequential_path import sequential_path
from tests.report.reading import drawn


def path_of(differences: np.ndarray, *, n_min: int = 100) -> SequentialPath:
    return follow(
        differences, challenger="new", baseline="old", metric="ndcg@10", method="normal_mixture",
        alpha=0.05, n_min=n_min, v_opt=500, decides=False,
    )  # fmt: skip


def test_looks_before_the_first_are_not_drawn_and_the_decision_is_marked():
    path = path_of(np.random.default_rng(1).normal(0.05, 0.2, 2_000).clip(-1, 1))
    (plot,) = drawn(sequential_path(path))
    line = next(trace for trace in plot["data"] if trace.get("name") == "mean difference")
    assert min(line["x"]) >= 100
    assert line["y"][-1] == pytest.approx(path.mean[-1], rel=1e-5)
    assert [shape["x0"] for shape in plot["layout"]["shapes"]] == [path.decided_at]


def test_an_open_path_says_so():
    text = sequential_path(path_of(np.random.default_rng(1).normal(0, 0.2, 300).clip(-1, 1)))
    assert "After 300 users the interval still holds 0" in text
    assert drawn(text)[0]["layout"]["shapes"] == []


def test_without_a_look_that_counts_there_is_a_note():
    text = sequential_path(path_of(np.full(50, 0.1)))
    assert "With 50 users no look counts yet: the first is at 100" in text
    assert drawn(text) == []
