"""NDCG@10 of every row with its interval, a panel a data set, best on top; ours and peers in two colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tests.benchmarks.standing import Row

OURS, PEER = "#0b6e99", "#c2571a"


def draw(rows: Sequence[Row], path: Path) -> None:
    names = sorted({row.data for row in rows})
    panels = [[row for row in rows if row.data == name] for name in names]
    highest = max(len(panel) for panel in panels)
    figure = Figure(figsize=(6.2 * len(panels), 1.5 + 0.32 * highest), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name, panel in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], names, panels, strict=True
    ):
        for place, row in enumerate(panel):
            colour = PEER if row.is_peer else OURS
            spread = [[row.ndcg.mean - row.ndcg.lower], [row.ndcg.upper - row.ndcg.mean]]
            axes.errorbar(
                row.ndcg.mean, place, xerr=spread, fmt="s" if row.is_peer else "o", color=colour, capsize=3
            )
        axes.set_yticks(range(len(panel)), [f"{row.arm} ({len(row.seeds)})" for row in panel], fontsize=9)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.grid(axis="x", alpha=0.3)
        axes.set_title(f"{name}: {len(panel[0].gains):,} users", fontsize=11)
        axes.set_xlabel("NDCG@10, seen items left out; 95 % over users (seeds)")
        axes.spines[["top", "right"]].set_visible(False)
    marks = [
        Line2D([], [], marker="o", color=OURS, label="recloop"),
        Line2D([], [], marker="s", color=PEER, label="peer"),
    ]
    figure.legend(handles=marks, loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(path, dpi=110)
