"""The front of a challenger with two objectives: what each preference reaches on each of them."""

from __future__ import annotations

import numpy as np

from components.evaluation.preference_front import FrontPoint, PreferenceFront
from components.report.figure import Plot, figure, label
from components.report.table import Cell, Column, figure_of, table, word
from components.report.templates import Markup
from components.report.text import number


def preference_front(front: PreferenceFront) -> Markup:
    """The points as a line, other arms as points of their own; and the same as a table."""
    return figure(_plot(front)) + _table(front)


def _plot(front: PreferenceFront) -> Plot:
    first, second = (label(name) for name in front.types)
    beside = ", ".join(
        f"{other.name} {number(other.first)} and {number(other.second)}" for other in front.others
    )
    ends = " to ".join(
        f"{number(at.first)} and {number(at.second)}" for at in (front.points[0], front.points[-1])
    )
    told = (
        f"NDCG@10 on {front.types[0]} and on {front.types[1]} from {ends}; hypervolume {number(front.hypervolume)}"
        + (f"; {beside}" if beside else "")
    )
    return Plot(
        traces=[
            _trace("challenger, by preference", front.points, mode="lines+markers", color="accent"),
            *(_trace(other.name, [other], mode="markers", color="rival") for other in front.others),
        ],
        layout={
            "xaxis": {"title": {"text": f"NDCG@10 on {first}"}},
            "yaxis": {"title": {"text": f"NDCG@10 on {second}"}},
            "showlegend": True,
            "legend": {"x": 1.02, "xanchor": "left", "y": 1, "font": {"size": 12, "color": "ink"}, "bgcolor": "clear"},
        },
        height=360,
        label=f"Front of preferences. {told}.",
        caption=f"One trained model under {len(front.points)} preferences, judged by the events of one type at a time. "
        f"{told}.",
        least_width=520,
    )  # fmt: skip


def _trace(
    name: str, points: tuple[FrontPoint, ...] | list[FrontPoint], *, mode: str, color: str
) -> dict[str, object]:
    return {
        "type": "scatter",
        "mode": mode,
        "name": label(name),
        "x": np.array([point.first for point in points]),
        "y": np.array([point.second for point in points]),
        "text": [label(f"{point.name}: {number(point.first)}, {number(point.second)}") for point in points],
        "hoverinfo": "text+name",
        "line": {"color": color, "width": 2},
        "marker": {"color": color, "size": 7},
    }


def _table(front: PreferenceFront) -> Markup:
    first, second = front.types
    rows: list[list[Cell]] = [
        [word(f"{first} {float(point.name):g}, {second} {1 - float(point.name):g}"), *_figures(point)]
        for point in front.points
    ]
    rows += [[word(other.name), *_figures(other)] for other in front.others]
    columns = [
        Column(name="Preference", is_number=False),
        *(
            Column(name=f"NDCG@10 on {name}", meaning=f"{users:,} users")
            for name, users in zip(front.types, front.users, strict=True)
        ),
    ]
    return table("Each preference on the events of each type alone; other events are history.", columns, rows)


def _figures(point: FrontPoint) -> list[Cell]:
    return [figure_of(point.first), figure_of(point.second)]
