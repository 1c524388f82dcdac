"""Lines and bands on one pair of axes."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from components.report.curve import Band, Line, curves
from components.report.figure import figure
from tests.report.reading import drawn, painted

X = np.array([0.0, 1.0])
AXES = {"x": {"title": {"text": "users"}}, "y": {"title": {"text": "<i>difference"}}}


def test_a_band_lies_under_its_lines_and_has_no_name():
    plot = curves(
        [Line(name="a & b", x=X, y=X), Line(name="zero", x=X, y=0 * X, is_named=False)],
        band=Band(x=X, lower=X - 1, upper=X + 1), told="", caption="", **AXES,
    )  # fmt: skip
    (description,) = drawn(figure(plot))
    lower, upper, line, zero = description["data"]
    assert (lower["y"], upper["y"]) == ([-1, 0], [1, 2])
    assert upper["fill"] == "tonexty"
    assert not lower["showlegend"]
    assert (line["name"], line["showlegend"], zero["showlegend"]) == ("a &amp; b", True, False)
    go.Figure(painted(description))


def test_one_line_alone_needs_no_legend():
    for count, shown in ((1, False), (2, True)):
        lines = [Line(name=str(n), x=X, y=X) for n in range(count)]
        (description,) = drawn(figure(curves(lines, told="", caption="", **AXES)))
        assert description["layout"]["showlegend"] is shown
