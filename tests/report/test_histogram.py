"""Bars between any edges."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from components.report.figure import figure
from components.report.histogram import histogram
from tests.report.reading import drawn, painted


def test_histogram_takes_any_edges():
    plot = histogram(
        np.array([3, 1]), np.array([0.0, 1.0, 10.0]), colors=["accent", "accent"], axis="weight",
        counted="events", told="two bins", caption="weights", layout={"yaxis": {"type": "log"}},
    )  # fmt: skip
    description = drawn(figure(plot))[0]
    assert description["data"][0]["x"] == [0.5, 5.5]
    assert description["data"][0]["width"] == [1, 9]
    assert description["layout"]["yaxis"]["type"] == "log"
    go.Figure(painted(description))
