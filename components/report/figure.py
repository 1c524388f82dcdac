"""A plot on the page: plotly's data and layout as JSON, drawn by the page's script in the colours of the day.

Wherever plotly takes a colour the name of one of the page's colours stands ("ink", "good", …: page.css), so
that one description serves light and dark.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from components.report.templates import Markup, render
from components.report.text import clean

_FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
_AXIS: dict[str, Any] = {
    "showgrid": False,
    "zeroline": False,
    "showline": True,
    "linecolor": "rule",
    "ticks": "outside",
    "ticklen": 4,
    "tickcolor": "rule",
    "tickfont": {"color": "soft"},
    "title": {"font": {"color": "soft", "size": 12}, "standoff": 10},
    "fixedrange": True,
    "automargin": True,
}
_LAYOUT: dict[str, Any] = {
    "font": {"family": _FONT, "size": 12, "color": "ink"},
    "paper_bgcolor": "clear",
    "plot_bgcolor": "clear",
    "margin": {"l": 56, "r": 24, "t": 28, "b": 48},
    "showlegend": False,
    "hovermode": "closest",
    "dragmode": False,
    "hoverlabel": {
        "bgcolor": "card",
        "bordercolor": "rule",
        "font": {"family": _FONT, "size": 12, "color": "ink"},
    },
}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """`label` is what a listener is told in place of the picture, `caption` what stands beneath it."""

    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    height: int  # pixels
    label: str
    caption: str
    least_width: int = 0  # pixels; on a narrower screen the figure is scrolled


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A value worth finding on the axis: a line, named at its top."""

    at: float
    name: str
    color: str = "soft"
    dash: str = "dot"
    at_foot: bool = False  # the name stands at the foot, where another lies close


def figure(plot: Plot) -> Markup:
    """The figure's HTML; finite numbers only, the rest are gaps."""
    layout = _merged(_LAYOUT, {**plot.layout, "height": plot.height})
    for axis in [name for name in layout if name.startswith(("xaxis", "yaxis"))]:
        layout[axis] = _merged(_AXIS, layout[axis])
    drawn = json.dumps(_plain({"data": plot.traces, "layout": layout}), separators=(",", ":"), sort_keys=True)
    return render("figure", plot=plot, drawn=_in_script(drawn))


def label(value: str, longest: int = 60) -> str:
    """Text of others inside a plot: plotly reads some HTML in its labels, so none is left."""
    return escape(clean(value, longest), quote=False)


def marks(wanted: Sequence[Mark]) -> dict[str, Any]:
    """Layout entries (shapes, annotations) of vertical lines over the whole height."""
    lines = [
        {
            "type": "line",
            "xref": "x",
            "yref": "paper",
            "x0": mark.at,
            "x1": mark.at,
            "y0": 0,
            "y1": 1,
            "line": {"color": mark.color, "width": 1, "dash": mark.dash},
        }
        for mark in wanted
    ]
    names = [
        {
            "xref": "x",
            "yref": "paper",
            "x": mark.at,
            "y": 0 if mark.at_foot else 1,
            "text": label(mark.name),
            "showarrow": False,
            "xanchor": "left",
            "yanchor": "bottom",
            "xshift": 4 if mark.at_foot else 0,
            "font": {"color": mark.color, "size": 11},
        }
        for mark in wanted
    ]
    return {"shapes": lines, "annotations": names}


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid upon `under`, key by key all the way down."""
    both = dict(under)
    for key, value in over.items():
        known = both.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            both[key] = _merged(known, value)
        else:
            both[key] = value
    return both


def _plain(value: Any) -> Any:
    """JSON values of six digits: a page is looked at, and the evidence beside it holds the rest."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return [_plain(entry) for entry in value.tolist()]
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _in_script(text: str) -> Markup:
    """JSON that cannot end the script it lies in."""
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
