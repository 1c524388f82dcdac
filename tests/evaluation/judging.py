"""The judge of the tests: the shipped small profile, and arms whose hit rates are planted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from components.evaluation.latency import Latency
from components.evaluation.plan import ReplayPlan
from components.evaluation.profile import small
from components.evaluation.replay import ArmLists, ReplayResult, Trial, evaluate
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


def arms_of(
    lists: Mapping[str, np.ndarray],
    *,
    train_ends: Mapping[str, datetime] | None = None,
    digests: Mapping[str, str] | None = None,
    latency: Mapping[str, Latency] | None = None,
) -> tuple[ArmLists, ...]:
    """Arms that were trained up to the cut, unless told otherwise."""
    ends = dict.fromkeys(lists, CUT) if train_ends is None else train_ends
    return tuple(
        ArmLists(
            name=name,
            lists=places,
            train_end=ends.get(name),
            digest=(digests or {}).get(name),
            latency=(latency or {}).get(name),
        )
        for name, places in lists.items()
    )


def judge(
    plan: ReplayPlan, lists: Mapping[str, np.ndarray], challenger: str, champion: str | None, **more: Any
) -> ReplayResult:
    """Of arms that are fast and have an artifact of their own, unless told otherwise.

    `more` is what `arms_of` and `Trial` take.
    """
    named = {arm: f"digest of {arm}" for arm in (challenger, champion) if arm}
    about = {"digests": named, "latency": dict.fromkeys(lists, Latency(**FAST))}
    about |= {name: more.pop(name) for name in ("train_ends", "digests", "latency") if name in more}
    trial = Trial(challenger=challenger, champion=champion, **({"profile": PROFILE} | more))
    return evaluate(plan, arms_of(lists, **about), trial)
