"""The forest and the histogram hold every comparison and every user who moved."""

from __future__ import annotations

import numpy as np
import pytest

from tests.report.reading import drawn
from tests.report.reported import judged, page


def test_histogram_holds_every_user_who_moved():
    result = judged()
    bars = next(f for f in drawn(page()) if f["data"][0]["type"] == "bar")["data"][0]
    moved = result.scores.of("better", "ndcg@10") != result.scores.of("good", "ndcg@10")
    assert sum(bars["y"]) == moved.sum()
    sides = np.sign(bars["x"])
    assert [c == "good" for c in bars["marker"]["color"]] == (sides > 0).tolist()


def test_forest_draws_each_comparison_and_each_margin():
    result = judged()
    deciding, others = drawn(page())[:2]
    for plot, shown in (
        (deciding, [c for c in result.comparisons if c.baseline == "good"]),
        (others, [c for c in result.comparisons if c.baseline != "good"]),
    ):
        points = sorted(x for trace in plot["data"] for x in trace["x"])
        assert points == pytest.approx(sorted(c.delta for c in shown), abs=1e-5)
    reach = [plot["layout"]["xaxis"]["range"][1] for plot in (deciding, others)]
    assert reach[0] < 0.5 * reach[1]  # a scale of its own
    strokes = [s for s in deciding["layout"]["shapes"] if s["line"]["color"] == "bad"]
    assert not [s for s in others["layout"]["shapes"] if s["line"]["color"] == "bad"]
    assert [s["x0"] for s in strokes] == [-0.02]  # recall@50 against the champion
