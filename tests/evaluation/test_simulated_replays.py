"""The gate over windows drawn from one population: alpha where nothing is better, and the power it announced."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.evaluation.gate import GateProfile, small
from tests.benchmarks.simulated_replays import (
    CHALLENGER,
    CHAMPION,
    Infeasible,
    Population,
    announcements,
    exchangeable,
    judge_windows,
    with_truth,
)

# the shipped profile with fewer resamples, so that the tests are quick
PROFILE = replace(small(), primary=replace(small().primary, resamples=2_000))
USERS, WINDOWS = 200, 400


def users_of(seed: int = 0, size: int = 600) -> Population:
    """Per-user values that are skewed and often equal; the popularity arms lie far behind."""
    generator = np.random.default_rng(seed)
    base = generator.gamma(1.0, 0.15, size)
    values = {(arm, "all", "ndcg@10"): 0.3 * base for arm in ("popularity", "recent_popularity")}
    for metric, spread in (("ndcg@10", 0.05), ("recall@50", 0.12)):
        moved = (
            (generator.random(size) < 0.4) * generator.normal(size=size) * generator.gamma(0.7, spread, size)
        )
        values |= {(CHAMPION, "all", metric): base, (CHALLENGER, "all", metric): base + moved}
    return Population(values=values, weights=np.full(size, 1 / size))


def judged(one: Population, profile: GateProfile = PROFILE):
    return judge_windows(one, profile, num_users=USERS, windows=WINDOWS, seed=11)


def test_an_equal_challenger_is_promoted_no_more_often_than_alpha():
    """400 windows; a gate whose alpha is six times too large is caught by the same bound."""
    equal = exchangeable(users_of())
    found = judged(equal)
    assert found.primary.bounds[0] <= 0.025
    assert found.promoted.found <= found.primary.found
    loose = replace(PROFILE, primary=replace(PROFILE.primary, alpha_one_sided=0.15))
    assert judged(equal, loose).primary.bounds[0] > 0.025


def test_a_planted_lift_is_promoted_as_often_as_announced():
    """The mean announcement lies in the binomial interval of the promotions, and below that of the test alone."""
    effect = 0.01
    world = with_truth(users_of(), {("all", "ndcg@10"): effect, ("all", "recall@50"): 0.0})
    profile = replace(PROFILE, primary=replace(PROFILE.primary, effect_of_interest=effect))
    told = announcements(world, profile, num_users=USERS, windows=60, seed=5)
    found = judged(world, profile)
    low, high = found.promoted.bounds
    announced = float(np.mean([one.power for one in told]))
    assert low <= announced <= high
    assert announced < float(np.mean([one.primary_power for one in told])) - 0.05


def test_tilting_gives_the_wanted_truth():
    wanted = {("all", "ndcg@10"): 0.006, ("all", "recall@50"): -0.01}
    world = with_truth(users_of(), wanted)
    assert world.weights.sum() == pytest.approx(1)
    for (slice_, metric), mean in wanted.items():
        assert world.weights @ world.difference(metric, slice_) == pytest.approx(mean, abs=1e-9)
    with pytest.raises(Infeasible):
        with_truth(users_of(), {("all", "ndcg@10"): 5.0})
