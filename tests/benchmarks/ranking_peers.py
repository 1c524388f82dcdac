"""NDCG@10 beside ranx and rectools on the same lists in the same run; they live in the peers' environment."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from components.evaluation.ranking import rank_metrics
from tests.benchmarks.hot_paths import made_up_lists
from tests.benchmarks.peers import interpreter
from tests.benchmarks.surroundings import peers_home, single_thread

USERS = 20_000  # ranx builds its input from dicts, a minute and a half for 100,000
_PROCESS = Path(__file__).with_name("ranking_process.py")


def ranking_peers(num_users: int = USERS) -> dict[str, Any]:
    """CPU seconds and the value of each; `skipped` says what is missing."""
    python = interpreter("rectools")
    if not python.is_file():
        return {"skipped": f"no vA/bin/python in PEERS_HOME ({peers_home()})"}
    lists, relevant = made_up_lists(num_users)
    begin = time.process_time()
    ours = rank_metrics(lists, relevant, ["ndcg@10"], num_items=10_000)["ndcg@10"].mean()
    told: dict[str, Any] = {
        "users": num_users,
        "places": lists.shape[1],
        "recloop_value": float(ours),
        "recloop_cpu_seconds": time.process_time() - begin,
    }
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "lists.npz", Path(folder) / "found.json"
        np.savez(given, lists=lists, offsets=relevant.offsets, items=relevant.items)
        subprocess.run([python, _PROCESS, given, found], env=single_thread(), check=True, capture_output=True)
        told |= json.loads(found.read_text())
    values = [told["recloop_value"], told["rectools_value"], told["ranx_value"]]
    return told | {"values_agree": bool(np.ptp(values) < 1e-9)}
