"""Curves on one pair of axes: lines named at their ends or in a legend, and bands between two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from components.report.figure import Mark, Plot, label, marks


@dataclass(frozen=True, kw_only=True)
class Line:
    name: str
    x: Float[np.ndarray, "n"]
    y: Float[np.ndarray, "n"]
    color: str = "accent"
    dash: str = "solid"
    width: float = 2
    is_named: bool = True  # stands in the legend


@dataclass(frozen=True, kw_only=True)
class Band:
    """The area between two bounds, such as an interval at each look."""

    x: Float[np.ndarray, "n"]
    lower: Float[np.ndarray, "n"]
    upper: Float[np.ndarray, "n"]
    color: str = "band"


def curves(
    lines: Sequence[Line],
    *,
    x: Mapping[str, Any],
    y: Mapping[str, Any],
    told: str,
    caption: str,
    band: Band | None = None,
    marked: Sequence[Mark] = (),
    height: int = 320,
) -> Plot:
    """`x` and `y` are plotly axes, at least {"title": {"text": …}}; `told` is the picture in words."""
    traces: list[Mapping[str, Any]] = []
    if band:
        edge = {"type": "scatter", "mode": "lines", "x": band.x, "hoverinfo": "skip", "showlegend": False}
        traces += [
            {**edge, "y": band.lower, "line": {"width": 0, "color": "clear"}},
            {
                **edge,
                "y": band.upper,
                "line": {"width": 0, "color": "clear"},
                "fill": "tonexty",
                "fillcolor": band.color,
            },
        ]
    traces += [
        {
            "type": "scatter",
            "mode": "lines",
            "name": label(line.name),
            "x": line.x,
            "y": line.y,
            "line": {"color": line.color, "dash": line.dash, "width": line.width},
            "showlegend": line.is_named,
            "hovertemplate": "%{x:.4g}, %{y:.4g}<extra>" + label(line.name) + "</extra>",
        }
        for line in lines
    ]
    return Plot(
        traces=traces,
        layout={
            **marks(marked),
            "xaxis": dict(x),
            "yaxis": dict(y),
            "margin": {"t": 34},
            "showlegend": sum(line.is_named for line in lines) > 1,
            "legend": {
                "x": 1.02,
                "xanchor": "left",
                "y": 1,
                "font": {"size": 12, "color": "ink"},
                "bgcolor": "clear",
            },
        },
        height=height,
        label=told,
        caption=caption,
        least_width=520,
    )
