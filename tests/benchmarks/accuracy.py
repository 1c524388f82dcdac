"""Train and rank every arm on every data set with every seed, each in its own process; what is done is kept.

A long run can so be split and continued, and two halves of it share one results folder. To measure a run
anew, remove its files.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.arms import ARMS
from tests.benchmarks.results import is_done
from tests.benchmarks.surroundings import CHECKOUT, single_thread


def run_arms(
    data: Sequence[str], arms: Sequence[str], seeds: Sequence[int], results: Path
) -> dict[str, float]:
    """Runs that were made, found done, and failed. Raises UnknownArm before anything is run."""
    if strangers := [name for name in arms if name not in ARMS]:
        raise UnknownArm(f"{strangers[0]!r} is no arm of the benchmark; there are {', '.join(ARMS)}")
    counts = {"made": 0, "found": 0, "failed": 0}
    for one in data:
        for arm in arms:
            for seed in seeds if ARMS[arm].is_seeded else seeds[:1]:
                if all(is_done(results, named(one), view, seed) for view in ARMS[arm].views):
                    counts["found"] += 1
                    continue
                begin = time.perf_counter()
                done = subprocess.run(
                    [sys.executable, "-m", "tests.benchmarks.arm_process", one, arm, str(seed)],
                    cwd=CHECKOUT,
                    env=single_thread() | {"RESULTS": str(results)},
                    check=False,
                )
                counts["made" if done.returncode == 0 else "failed"] += 1
                took = time.perf_counter() - begin
                print(f"{arm} on {named(one)}, seed {seed}: exit {done.returncode}, {took:.0f} s", flush=True)
    return counts


def named(data: str) -> str:
    """The name under which the runs of a data set stand."""
    path = Path(data).expanduser()
    if data == "movielens":
        return "ml100k"
    return path.resolve().name if path.is_dir() else path.stem


class UnknownArm(ValueError):
    """An arm that the benchmark does not have was asked for."""
