"""One peer on one data set, in the peer's own environment: where its users' test items stood, and its cost.

Run by `peers.py`, never imported by it: nothing of this project is installed there, so this file needs numpy
and the peers' `run_peers.py` alone.

    python peer_process.py FOLDER_OF_PEERS PEER DATA SEED BUDGET RESULT      (RESULT without its ending)
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


def places(lists: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """[user, k] items against [user] targets: place of the target from 1, or 0 where it is not in the list."""
    hit = lists == targets[:, None]
    return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, 0).astype(np.uint8)


def peak_mb() -> float:
    """As `peak_memory` has it: without what the parent held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


def main(folder: str, peer: str, data: str, seed: str, budget: str, result: str) -> None:
    sys.path.insert(0, folder)
    run_peers: Any = importlib.import_module("run_peers")
    kept: dict[str, np.ndarray] = {}
    finish = run_peers.Run.finish

    def finish_and_keep(run: Any, unf: np.ndarray, fil: np.ndarray, *rest: Any) -> None:
        kept["fil"], kept["unf"] = places(fil, run.d.test_t), places(unf, run.d.test_t)
        kept["users"] = np.array([str(user) for user in run.d.users])
        finish(run, unf, fil, *rest)

    run_peers.Run.finish = finish_and_keep
    fit, _, limits = run_peers.PEERS[peer]
    default_budget, patience, max_epochs = limits.get(data, (300, 3, 100))
    loaded = run_peers.Data(data)
    with tempfile.TemporaryDirectory() as scratch:
        run_peers.RES = scratch
        run = run_peers.Run(peer, loaded, float(budget) or default_budget, patience, max_epochs, int(seed))
        fit(run)
    figures = {
        "data": data,
        "arm": peer,
        "seed": int(seed),
        "is_peer": True,
        "num_items": loaded.n_items,
        "training_cpu_seconds": run.r.get("train_cpu_total", run.r["train_cpu_to_best"]),
        "training_cpu_seconds_to_best": run.r["train_cpu_to_best"],
        "peak_mb": peak_mb(),
        "parameters": run.r["params"],
        "users_per_cpu_second": loaded.U / run.r["infer_cpu"],
        "details": run.r,
    }
    path = Path(result)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path.with_name(path.name + ".npz"), **kept)
    path.with_name(path.name + ".json").write_text(json.dumps(figures, indent=1, default=float))


if __name__ == "__main__":
    main(*sys.argv[1:])
