"""The judge of the tests: the shipped small profile, and arms whose hit rates are planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.evaluation.latency import Latency
from components.evaluation.plan import ReplayPlan
from components.evaluation.profile import small
from components.evaluation.replay import ReplayResult, evaluate
from tests.evaluation.worlds import CUT, busy_world, lists_with_hits

# the shipped profile with fewer resamples, so that the tests are quick
PROFILE = replace(small(), primary=replace(small().primary, resamples=2_000))
FAST = {"p95": 2.0, "p50": 1.0, "p99": 3.0, "batches": 10, "batch_size": 1}


def planted(rates: dict[str, float], **options: int) -> tuple[ReplayPlan, dict[str, np.ndarray]]:
    """A plan of returning users, and the lists of arms that hit so often."""
    plan, answers = busy_world(**options)
    return plan, {
        arm: lists_with_hits(plan, answers, hit_rate=rate, seed=seed)
        for seed, (arm, rate) in enumerate(rates.items())
    }


def judge(
    plan: ReplayPlan, lists: dict[str, np.ndarray], challenger: str, champion: str | None, **more
) -> ReplayResult:
    arms = filter(None, (challenger, champion))
    options = {
        "profile": PROFILE,
        "train_ends": dict.fromkeys(lists, CUT),
        "digests": {arm: f"digest of {arm}" for arm in arms},
        "latency": {arm: Latency(**FAST) for arm in lists},
    }
    return evaluate(plan, lists, challenger=challenger, champion=champion, **(options | more))
