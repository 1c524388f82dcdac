"""Figures that plotly accepts, in colours that the page names."""

from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
import plotly.graph_objects as go

from components.report.figure import Plot, figure
from tests.report.reading import color_names, drawn, painted
from tests.report.reported import page


def test_figures_are_what_plotly_accepts():
    """Plotly's own schema refuses a misspelt key, a colour that is none, a number that is text."""
    figures = drawn(page())
    assert len(figures) == 6  # two forests, histogram, power, Lorenz, sequential path
    for description in figures:
        go.Figure(painted(description))


def test_colors_are_named_in_light_and_in_dark():
    css = (files("components.report") / "page.css").read_text()
    light, dark = (
        set(re.findall(r"--([a-z]+): [#r]", part)) for part in css.split("@media (prefers-color", 1)
    )
    named = set().union(*(color_names(description) for description in drawn(page())))
    assert named
    assert named <= light
    assert named - {"clear"} <= dark


def test_numbers_that_are_not_finite_become_gaps():
    plot = Plot(
        traces=[{"type": "scatter", "y": np.array([1.0, np.nan, np.inf])}], layout={}, height=9, label="",
        caption="",
    )  # fmt: skip
    assert drawn(figure(plot))[0]["data"][0]["y"] == [1.0, None, None]
