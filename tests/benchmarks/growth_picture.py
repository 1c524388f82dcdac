"""CPU seconds and peak memory of every stage against the number of events, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_BOUND_MB = 4_000


def draw(found: Mapping[str, Mapping[int, Mapping[str, Any]]], path: Path) -> None:
    figure = Figure(figsize=(12, 5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2)
    for axes, name, label in zip(
        panels, ("cpu_s", "peak_mb"), ("CPU seconds", "peak resident memory, MB"), strict=True
    ):
        for place, (stage, by_size) in enumerate(found.items()):
            sizes = sorted(by_size)
            axes.plot(
                sizes,
                [by_size[size][name] for size in sizes],
                marker="os^Dv"[place % 5],
                linestyle="--" if stage.startswith(("duckdb", "pandas", "rectools")) else "-",
                color=f"C{place % 10}",
                label=stage,
            )
        axes.set(xscale="log", yscale="log", xlabel="events", ylabel=label)
        axes.grid(alpha=0.3, which="both")
        axes.spines[["top", "right"]].set_visible(False)
    panels[1].axhline(_BOUND_MB, color="grey", linestyle=":")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=110)
