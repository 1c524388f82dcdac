"""Two runs with one seed: the same bytes, in other processes, with other threads, under other hash seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_RUN = """
import hashlib, json
from dataclasses import replace
import numpy as np
from components.evaluation.cold import plan_cold
from components.evaluation.profile import small
from components.evaluation.replay import ArmLists, Trial, evaluate
from components.evaluation.alpha_spending import Attempt
from tests.evaluation.worlds import CUT, busy_world, lists_with_hits

plan, answers = busy_world(num_users=700)
lists = {
    name: lists_with_hits(plan, answers, hit_rate=rate, seed=seed)
    for seed, (name, rate) in enumerate(
        {"new": 0.7, "old": 0.6, "popularity": 0.3, "recent_popularity": 0.3, "random": 0.1}.items()
    )
}
categories = np.random.default_rng(0).random((len(plan.catalogue), 5)) < 0.3
arms = [ArmLists(name=name, lists=places, train_end=CUT, digest=name[0]) for name, places in lists.items()]
attempt = Attempt(number=2, alpha_one_sided=0.004)
trial = Trial(challenger="new", champion="old", profile=small(), attempt=attempt)
result = evaluate(plan, arms, trial, categories=categories)
told = json.dumps(result.to_dict(), allow_nan=False) + result.metrics_table().to_csv() + result.scores.table().to_csv()
print(result.outcome, hashlib.sha256(told.encode()).hexdigest())
"""


def run(threads: int, hash_seed: int) -> str:
    environ = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": str(hash_seed),
    }
    done = subprocess.run(
        [sys.executable, "-c", _RUN], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_verdict_and_tables_are_the_same_bytes():
    first = run(threads=1, hash_seed=0)
    assert first.startswith(("PROMOTE", "HOLD", "REJECT"))
    assert run(threads=1, hash_seed=1) == first
    assert run(threads=2, hash_seed=2) == first
    assert run(threads=4, hash_seed=3) == first
