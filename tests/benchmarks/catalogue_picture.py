"""Users a CPU second and peak memory against the number of items, axes logarithmic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_PANELS = (
    ("alone", "users a CPU second, asked one by one"),
    ("batched", "users a CPU second, 64 at once"),
    ("peak_mb", "peak resident memory, MB"),
)
_NAMES = {"generative": "generative (mmgrec, hybrid)", "dense": "every item scored (sasrec)"}


def draw(found: Mapping[str, Mapping[int, Mapping[str, Any]]], path: Path) -> None:
    figure = Figure(figsize=(14, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(_PANELS))
    for axes, (name, label) in zip(panels, _PANELS, strict=True):
        for place, (way, by_size) in enumerate(found.items()):
            sizes = sorted(by_size)
            values = [by_size[size][name] for size in sizes]
            shown = _NAMES.get(way, f"index: faiss {way.upper()}")
            axes.plot(sizes, values, marker="os^D"[place % 4], color=f"C{place}", label=shown)
        axes.set(xscale="log", yscale="log", xlabel="items", ylabel=label)
        axes.grid(alpha=0.3, which="both")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=110)
