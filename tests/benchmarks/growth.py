"""Time and memory of each stage after landing (and of landing) against the number of events, from 100,000 on.

    make bench ONLY=growth                                        100,000 and 1,000,000 events, then a day of 1 % more
    GROWTH=100000,1000000,10000000 STAGES=snapshot,sequences make bench ONLY=growth

Every stage runs in a process of its own on what the stages before it left, and calls the project's own functions.
Beside them the same work by DuckDB and by pandas, and RecTools where the peers' environments are. The exponent is the
slope of log CPU seconds on log n; with `DOCS=docs` the curves are drawn into docs/growth.png.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measured_process import figures_of, prepare_in
from tests.benchmarks.peers import interpreter, what_is_missing

SIZES = (100_000, 1_000_000)
OURS = (
    "ingest", "snapshot", "sequences", "feature_set", "offline", "materialize", "retrieval", "training_set", "scoring",
)  # fmt: skip
PEERS = ("duckdb_scan", "duckdb_sequences", "pandas_sequences")
RECTOOLS = "rectools_dataset"  # where its environment is
DAILY = (
    "ingest",
    "snapshot",
    "sequences",
    "feature_set",
    "offline",
    "materialize",
    "retrieval",
)  # again, after 1 % more
Figures = dict[str, Any]


def growth(folder: Path) -> Figures:
    """Figures of every stage and size, exponents, and the shares of a day of 1 %; the picture into `folder`."""
    sizes = asked_sizes()
    rectools = () if what_is_missing() else (RECTOOLS,)
    chosen = tuple(name for name in os.environ.get("STAGES", "").split(",") if name) or (
        *OURS,
        *PEERS,
        *rectools,
    )
    full: dict[str, dict[int, Figures]] = {}
    daily: dict[str, dict[int, Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="recloop-growth-", dir=os.environ.get("GROWTH_HOME")) as scratch:
        for size in sizes:
            home = Path(scratch) / str(size)
            prepare(home, size)
            for stage in chosen:
                full.setdefault(stage, {})[size] = run_stage(stage, home)
                print(json.dumps({"stage": stage, "events": size, **full[stage][size]}), flush=True)
            add_day(home)
            for stage in DAILY:
                if stage in chosen:
                    daily.setdefault(stage, {})[size] = run_stage(stage, home)
                    print(json.dumps({"daily": stage, "events": size, **daily[stage][size]}), flush=True)
    if len(sizes) > 1:
        from tests.benchmarks.growth_picture import draw

        folder.mkdir(parents=True, exist_ok=True)
        draw(full, folder / "growth.png")
    return summary(full, daily, sizes)


def incremental() -> Figures:
    """What a day of 1 % costs in each stage before training, in shares of the full build's CPU seconds."""
    sizes = asked_sizes()
    found: Figures = {"sizes": list(sizes), "stages": {stage: [] for stage in DAILY}}
    with tempfile.TemporaryDirectory(prefix="recloop-day-", dir=os.environ.get("GROWTH_HOME")) as scratch:
        for size in sizes:
            home = Path(scratch) / str(size)
            prepare(home, size)
            whole = {stage: run_stage(stage, home)["cpu_s"] for stage in DAILY}
            add_day(home)
            for stage in DAILY:
                day = run_stage(stage, home)["cpu_s"]
                told = {"full_cpu_s": whole[stage], "day_cpu_s": day, "share": day / whole[stage]}
                found["stages"][stage].append(told)
                print(json.dumps({"stage": stage, "events": size, **told}), flush=True)
    return found


def asked_sizes() -> tuple[int, ...]:
    """Of GROWTH in the environment."""
    return tuple(int(size) for size in os.environ.get("GROWTH", "").split(",") if size) or SIZES


def summary(
    full: dict[str, dict[int, Figures]], daily: dict[str, dict[int, Figures]], sizes: Sequence[int]
) -> Figures:
    """What the last line says of each stage."""
    found: Figures = {"sizes": list(sizes), "stages": {}}
    for stage, by_size in full.items():
        told: Figures = {
            name: [by_size[size][name] for size in sizes] for name in ("wall_s", "cpu_s", "peak_mb")
        }
        if len(sizes) > 1:
            told["exponent"] = exponent(sizes, told["cpu_s"])
            told["exponent_at_the_end"] = exponent(
                sizes[-2:], told["cpu_s"][-2:]
            )  # where what is fixed counts least
        if stage in daily:
            told["daily_share"] = [daily[stage][size]["cpu_s"] / by_size[size]["cpu_s"] for size in sizes]
        found["stages"][stage] = told
    return found


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """b of seconds = a·n^b, by least squares on logarithms."""
    slope: float = np.polyfit(np.log(sizes), np.log(np.maximum(seconds, 1e-9)), 1)[0]
    return float(slope)


def prepare(home: Path, size: int) -> None:
    """The source, and a warehouse that holds it."""
    home.mkdir(parents=True)
    (home / "size.json").write_text(str(size))
    _python("write_source(home / 'source', size)", home, size)
    _python("fill(home / 'warehouse.db', home / 'source')", home, size)


def add_day(home: Path) -> None:
    """The day after, 1 % of the events, into the warehouse."""
    _python("fill(home / 'warehouse.db', home / 'source', daily=True)", home, 0)
    (home / "daily-filled").touch()


def run_stage(stage: str, home: Path) -> Figures:
    """A stage in a process of its own. Raises RuntimeError with the end of what it said."""
    command = [sys.executable, "-m", "tests.benchmarks.growth_process", stage, str(home)]
    if stage == RECTOOLS:
        script = Path(__file__).with_name("growth_peer.py")
        command = [str(interpreter(stage)), str(script), str(home / "source" / "events.parquet")]
    return figures_of(command, called=f"stage {stage}")


def _python(call: str, home: Path, size: int) -> None:
    imports = "from tests.benchmarks.growth_source import fill, write_source"
    prepare_in(home, imports, f"[size] = sizes; {call}", size)
