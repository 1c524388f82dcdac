"""Histogram from counted bins: bars between edges, marks on the axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from components.report.figure import Mark, Plot, label, marks


def histogram(
    counts: Int[np.ndarray, "bins"],
    edges: Float[np.ndarray, "bins_plus_1"],
    *,
    colors: Sequence[str],
    axis: str,
    counted: str,
    told: str,
    caption: str,
    marked: Sequence[Mark] = (),
    layout: Mapping[str, Any] | None = None,
) -> Plot:
    """One bar a bin in its colour. `counted` names what a bar counts ("users"), `told` the picture in words.

    `layout` may change the axes, such as {"yaxis": {"type": "log"}}.
    """
    extra = layout or {}
    bars = {
        "type": "bar",
        "x": (edges[:-1] + edges[1:]) / 2,
        "y": counts,
        "width": np.diff(edges),
        "marker": {"color": list(colors), "line": {"color": "paper", "width": 1}},
        "customdata": np.stack([edges[:-1], edges[1:]], axis=1),
        "hovertemplate": f"%{{customdata[0]:.3g}} to %{{customdata[1]:.3g}}: %{{y:,}} {label(counted)}<extra></extra>",
    }
    return Plot(
        traces=[bars],
        layout={
            **marks(marked),
            "bargap": 0,
            "xaxis": {"title": {"text": label(axis)}, "nticks": 9, **extra.get("xaxis", {})},
            "yaxis": {"title": {"text": label(counted)}, "rangemode": "tozero", **extra.get("yaxis", {})},
            "margin": {"t": 34},
        },
        height=300,
        label=told,
        caption=caption,
        least_width=520,
    )
