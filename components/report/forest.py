"""Forest plot: estimates with their intervals about a line of no difference, margins beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from components.report.figure import Plot, label
from components.report.text import number, span

_COLORS = {"passed": "good", "failed": "bad", "unproven": "wait", "": "accent"}
_ROW = 25  # pixels


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """One row. `margin` is drawn as a stroke at that value; None draws none."""

    name: str
    group: str  # rows of a group stand together under its name; "" has no name
    count: str  # what the estimate rests on, such as "401 users"
    value: float
    lower: float
    upper: float
    tone: str = ""  # passed, failed, unproven: as the interval lies
    margin: float | None = None


def forest(
    rows: Sequence[ForestRow],
    *,
    axis: str,
    caption: str,
    reference: float = 0.0,
    form: str = "+.4f",
) -> Plot:
    """Rows from the top, with their numbers in columns left and right; every estimate is finite."""
    placed, headings, y = [], [], 0.0
    for group, members in groupby(rows, key=lambda row: row.group):
        if group:
            headings.append((y, group))
            y += 1
        for row in members:
            placed.append((y, row))
            y += 1
        y += 0.4  # a gap between groups
    bottom = y - 0.6
    ends = [reference, *(row.lower for row in rows), *(row.upper for row in rows)]
    ends += [row.margin for row in rows if row.margin is not None]
    # equal ends leave no width to take a share of
    room = 0.04 * (max(ends) - min(ends)) or 0.01
    layout: dict[str, Any] = {
        "margin": {"l": 210, "r": 224, "t": 12, "b": 52},
        "xaxis": {"title": {"text": label(axis)}, "nticks": 7, "range": [min(ends) - room, max(ends) + room]},
        "yaxis": {"visible": False, "range": [bottom, -0.7], "automargin": False},
        "shapes": [_stroke(reference, -0.7, bottom, "soft", "solid"), *_margins(placed)],
        "annotations": [
            *(_beside(at, group, "left", shift=-200, bold=True) for at, group in headings),
            *(note for at, row in placed for note in _columns(at, row, form)),
        ],
    }
    told = "; ".join(
        f"{row.group} {row.name} {number(row.value, form)} {span(row.lower, row.upper, form)}" for row in rows
    )
    return Plot(
        traces=[_points(placed, tone, form) for tone in dict.fromkeys(row.tone for row in rows)],
        layout=layout,
        height=int(_ROW * (bottom + 0.7)) + 64,
        label=f"Forest plot of {axis}: {told}",
        caption=caption,
        least_width=720,
    )


def _points(placed: Sequence[tuple[float, ForestRow]], tone: str, form: str) -> dict[str, Any]:
    mine = [(y, row) for y, row in placed if row.tone == tone]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [row.value for _, row in mine],
        "y": [y for y, _ in mine],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [row.upper - row.value for _, row in mine],
            "arrayminus": [row.value - row.lower for _, row in mine],
            "color": _COLORS[tone],
            "thickness": 1.8,
            "width": 0,
        },
        "marker": {"color": _COLORS[tone], "size": 8, "symbol": "square"},
        "text": [
            f"{label(row.name)}<br>{number(row.value, form)} {span(row.lower, row.upper, form)}"
            for _, row in mine
        ],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _columns(y: float, row: ForestRow, form: str) -> list[dict[str, Any]]:
    figures = f"{number(row.value, form)}  {span(row.lower, row.upper, form)}"
    return [
        _beside(y, row.name, "left", shift=-186),
        _beside(y, row.count, "left", shift=-8, anchor="right", color="soft"),
        _beside(y, figures, "right", shift=12),
    ]


def _beside(
    y: float,
    text: str,
    side: str,
    *,
    shift: int,
    anchor: str = "left",
    color: str = "ink",
    bold: bool = False,
) -> dict[str, Any]:
    return {
        "xref": "paper",
        "x": 0 if side == "left" else 1,
        "yref": "y",
        "y": y,
        "xanchor": anchor,
        "yanchor": "middle",
        "xshift": shift,
        "showarrow": False,
        "text": f"<b>{label(text, 34)}</b>" if bold else label(text, 44),
        "font": {"color": color, "size": 12},
    }


def _margins(placed: Sequence[tuple[float, ForestRow]]) -> list[dict[str, Any]]:
    drawn = [(y, row.margin) for y, row in placed if row.margin is not None]
    return [_stroke(at, y - 0.38, y + 0.38, "bad", "solid", width=2) for y, at in drawn]


def _stroke(at: float, top: float, bottom: float, color: str, dash: str, *, width: int = 1) -> dict[str, Any]:
    return {
        "type": "line",
        "x0": at,
        "x1": at,
        "y0": top,
        "y1": bottom,
        "line": {"color": color, "dash": dash, "width": width},
        "layer": "below",
    }
