"""Small multiples: every measure over all looks, with its bounds, so that a trend is seen before it is an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from components.monitoring.measure import Measure
from components.monitoring.result import PastLook
from components.report.figure import Plot, figure, label
from components.report.templates import Markup, joined, note, render
from components.report.text import number

STYLE = (
    "\n.series { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 6px 26px; }"
    "\n.series figure { margin: 8px 0; } .series figcaption { min-height: 3em; }"
)
_COLORS = {"ok": "good", "warn": "wait", "drift": "bad"}


def series(measures: Sequence[Measure], history: Sequence[PastLook]) -> Markup:
    """A figure for each measure that had a value in some look."""
    drawn = [m for m in measures if any(_value(look, m.name) is not None for look in history)]
    if not drawn:
        return note("No measure has had a value yet.")
    return render("series", figures=joined(figure(_plot(measure, history)) for measure in drawn))


def _value(look: PastLook, name: str) -> float | None:
    return look.values[name][0] if name in look.values else None


def _plot(measure: Measure, history: Sequence[PastLook]) -> Plot:
    looks = [look for look in history if _value(look, measure.name) is not None]
    values = [_value(look, measure.name) or 0.0 for look in looks]
    times = [look.as_of.strftime("%Y-%m-%d %H:%M:%S") for look in looks]
    told = ", ".join(f"{time[:10]} {number(value, '.3g')}" for time, value in zip(times, values, strict=True))
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": times,
        "y": values,
        "line": {"color": "accent", "width": 1.5},
        "marker": {
            "size": 7,
            "color": [_COLORS.get(look.values[measure.name][1], "none") for look in looks],
        },
        "text": [label(f"version {look.version}, {look.values[measure.name][1]}") for look in looks],
        "hovertemplate": "%{x|%d %b %Y %H:%M}: %{y:.3g}<br>%{text}<extra></extra>",
    }
    top = max([measure.drift, *values]) * 1.12
    bottom = min([0.0, *values]) * 1.12
    return Plot(
        traces=[line],
        layout={
            "margin": {"l": 40, "r": 12, "t": 8, "b": 34},
            "xaxis": {"type": "date", "nticks": 4, **_room(looks)},
            "yaxis": {"range": [bottom, top], "nticks": 4},
            "shapes": [_bound(measure.warn, "wait"), _bound(measure.drift, "bad")],
        },
        height=170,
        label=f"{measure.title} over time: {told}; warns at {measure.warn:g}, drift at {measure.drift:g}",
        caption=f"{measure.title}: {number(values[-1], '.3g')}; bounds {measure.warn:g} and {measure.drift:g}.",
    )


def _room(looks: Sequence[PastLook]) -> dict[str, Any]:
    """One moment alone has no span: some days to either side of it."""
    moments = {look.as_of for look in looks}
    if len(moments) > 1:
        return {}
    (moment,) = moments
    ends = [(moment + timedelta(days=days)).strftime("%Y-%m-%d") for days in (-4, 4)]
    return {"range": ends, "tickvals": [moment.strftime("%Y-%m-%d")], "tickformat": "%d %b %Y"}


def _bound(at: float, color: str) -> dict[str, Any]:
    return {
        "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": at, "y1": at,
        "line": {"color": color, "width": 1, "dash": "dot"}, "layer": "below",
    }  # fmt: skip
