"""The whole evaluation of a log: the same bytes twice, and a reason for all that is undefined."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np

from components.evaluation.counterfactual.evaluation import LoggedResult, evaluate_logged
from components.evaluation.counterfactual.profile import small
from tests.evaluation.counterfactual.worlds import World, draw_log, make_world

PROFILE = replace(small(), resamples=2_000)


def judged(world: World, rounds: int = 6_000, seed: int = 0) -> LoggedResult:
    return evaluate_logged(draw_log(world, rounds, np.random.default_rng(seed)), PROFILE)


def test_the_same_bytes_twice() -> None:
    first, second = (json.dumps(judged(make_world(), 2_000).to_dict(), sort_keys=True) for _ in range(2))
    assert first == second
    assert "NaN" not in first
    assert json.loads(first)["verdict"]["gate_hash"] == PROFILE.hash


def test_what_is_undefined_says_why() -> None:
    log = draw_log(make_world(), 2_000, np.random.default_rng(0), knows_policy=False)
    told = {e.name: e for e in evaluate_logged(log, PROFILE).estimates}
    assert "not uniform random" in told["replay"].note
    assert "not known over all actions" in told["dr"].note
    assert math.isnan(told["dr"].value)
    users = replace(log, cluster=np.arange(len(log)) % 2)
    known = draw_log(make_world(), 2_000, np.random.default_rng(0))
    two = {e.name: e for e in evaluate_logged(replace(known, cluster=users.cluster), PROFILE).estimates}
    assert "2 users or slates cannot be cut into 3 folds" in two["dm"].note
