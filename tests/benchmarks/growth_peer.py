"""RecTools builds its dataset of the same events, in the peers' environment: a line of figures.

Run by `growth.py`, never imported by it: nothing of this project is installed there.

    python growth_peer.py EVENTS.parquet
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd


def peak_mb() -> float:
    """As `peak_memory` has it: without what the parent held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


def main(path: str) -> None:
    dataset: Any = importlib.import_module("rectools.dataset").Dataset
    loaded, wall, cpu = peak_mb(), time.perf_counter(), sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    events = pd.read_parquet(path, columns=["user_id", "item_id", "timestamp"])
    events["weight"] = 1
    built = dataset.construct(events.rename(columns={"timestamp": "datetime"}))
    figures = {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - cpu,
        "peak_mb": peak_mb(),
        "loaded_mb": loaded,
        "rows": int(built.user_id_map.size),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1])
