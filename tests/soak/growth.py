"""What a soak costs, cycle by cycle, and how it grows: slopes that a few outliers do not move."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

BOUND = 5.0  # % in 100 cycles, of what may not grow
ENOUGH = 20  # cycles with a figure, to judge how it grows
WARM_UP = 0.25  # of the cycles: caches fill, a retention comes to bear
# what may not grow: the process that lives through it all, and what lies there only until it is old enough
BOUNDED = ("memory, MB", "descriptors", "threads", "entries waiting for their age")
# of these few one more is over the bound: a pool of threads that fills up to its size is no leak, and then stands still
COUNTED = ("descriptors", "threads")
STILL = 1 / 3  # of the cycles, the last
PARTS = {
    "warehouse": ("warehouse.db", "warehouse.db-wal"),
    "MLflow's database": ("mlflow.db",),
    "MLflow's artifacts": ("mlartifacts",),
    "artifacts": ("artifacts",),
}


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Of one figure, after the warm-up."""

    figure: str
    typical: float  # the median
    a_cycle: float  # Theil-Sen: the median of all slopes between two cycles
    stands_still: bool  # at the end

    @property
    def percent(self) -> float:
        """Of the median, in 100 cycles."""
        return 100 * 100 * self.a_cycle / self.typical if self.typical else 0.0

    @property
    def is_bounded(self) -> bool:
        is_pool = self.figure in COUNTED and self.stands_still
        return self.figure not in BOUNDED or self.percent < BOUND or is_pool


def growth_of(figure: str, values: Sequence[float]) -> Growth:
    """From one value a cycle. Raises ValueError with fewer than two after the warm-up."""
    kept = list(values)[int(len(values) * WARM_UP) :]
    if len(kept) < 2:
        raise ValueError(f"{figure}: {len(values)} cycles are too few for a slope")
    slopes = [
        (later - earlier) / (at_later - at)
        for at, earlier in enumerate(kept)
        for at_later, later in enumerate(kept[at + 1 :], at + 1)
    ]
    last = kept[-max(int(len(values) * STILL), 2) :]
    return Growth(
        figure=figure, typical=median(kept), a_cycle=median(slopes), stands_still=max(last) <= min(last)
    )


def grown_of(measured: Sequence[dict[str, float]], names: Sequence[str]) -> list[Growth]:
    """Of the figures that enough cycles have: one that failed half-way has not all."""
    values = {name: [figures[name] for figures in measured if name in figures] for name in names}
    return [growth_of(name, values[name]) for name in names if len(values[name]) >= ENOUGH]


def is_bounded(grown: Sequence[Growth]) -> bool | None:
    """None: not judged, for one of the bounded figures has too few cycles."""
    if not {one.figure for one in grown} >= set(BOUNDED):
        return None
    return all(one.is_bounded for one in grown)


def of_process(pid: int) -> dict[str, float]:
    """Resident memory, open descriptors and threads."""
    proc = Path(f"/proc/{pid}")
    pages = int((proc / "statm").read_text().split()[1])
    return {
        "memory, MB": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "descriptors": len(os.listdir(proc / "fd")),
        "threads": len(os.listdir(proc / "task")),
    }


def of_disk(home: Path) -> dict[str, float]:
    """MB of each part of the home, and its files."""
    told = {f"{part}, MB": sum(_size(home / name) for name in names) / 1e6 for part, names in PARTS.items()}
    told["files"] = sum(1 for path in home.rglob("*") if path.is_file())
    return told


def _size(path: Path) -> int:
    if not path.exists():
        return 0
    if path.is_file():
        return path.stat().st_size
    return sum(found.stat().st_size for found in path.rglob("*") if found.is_file())


def draw(measured: Sequence[dict[str, float]], grown: Sequence[Growth], path: Path) -> None:
    """One small curve a figure, with its growth; what is bounded first."""
    import matplotlib

    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    from matplotlib import pyplot

    names = [one.figure for one in grown]
    columns = 3
    figure, axes = pyplot.subplots(
        -(-len(names) // columns), columns, figsize=(12, 2.3 * -(-len(names) // columns)), squeeze=False
    )
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis, one in zip(axes.flat, grown, strict=False):
        values = [figures[one.figure] for figures in measured if one.figure in figures]
        axis.plot(range(len(values)), values, linewidth=1, color="#2b6cb0")
        axis.axvline(int(len(values) * WARM_UP), color="#bbbbbb", linewidth=0.8, linestyle="--")
        axis.set_title(f"{one.figure}: {one.percent:+.1f} % in 100 cycles", fontsize=9)
        axis.set_ylim(0, 1.15 * max(values) or 1)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    figure.supxlabel("cycle; the dashed line ends the warm-up", fontsize=9)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
