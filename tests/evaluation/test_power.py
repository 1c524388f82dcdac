"""The power of all rules together: that of the one test where there is one, and less where margins are narrow."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation import statistics
from components.evaluation.comparison import Pairing, compare_pairs
from components.evaluation.gate import GateProfile, NonInferiority, small
from components.evaluation.power import Rule, promotion_power, required_effects
from components.evaluation.satisfiability import PromotionPower, satisfiability_of
from components.evaluation.scores import ReplayScores
from tests.evaluation.reference.paired import paired_t

USERS = 400


def scores_of(**arms: dict[str, np.ndarray]) -> ReplayScores:
    """Arms by name, each metric's values of every user."""
    metrics = tuple(next(iter(arms.values())))
    return ReplayScores(
        users=np.arange(USERS), arms=tuple(sorted(arms)), metrics=metrics, slices=("all",),
        values={(arm, "all", metric): v for arm, found in arms.items() for metric, v in found.items()},
        list_figures={}, without_list={}, dropped_places={},
    )  # fmt: skip


def rule(differences: np.ndarray, *, floor: float = 0.0, ahead: float | None = 0.0) -> Rule:
    """Judged by Student's t."""
    lower = paired_t(differences[~np.isnan(differences)]).lower
    half = float(np.nanmean(differences)) - lower
    return Rule(name="r", differences=differences, half_width=half, floor=floor, ahead=ahead)


def power_of(scores: ReplayScores, champion: str | None, profile: GateProfile) -> PromotionPower | None:
    """From the comparisons of the challenger `new` that the profile's rules read."""
    asked = [(arm, "ndcg@10") for arm in scores.arms if arm != "new"]
    asked += [(champion, g.metric) for g in profile.required if champion and isinstance(g, NonInferiority)]
    pairings = [
        Pairing(
            challenger="new", baseline=arm, metric=metric, slice="all",
            challenger_values=scores.of("new", metric), baseline_values=scores.of(arm, metric),
        )
        for arm, metric in asked
    ]  # fmt: skip
    found = compare_pairs(pairings, resamples=2_000, permutations=0)
    return promotion_power(scores, "new", champion, profile, found)


def test_one_rule_has_the_power_of_its_own_test():
    """Differences of spread .1 over 400 users: an effect of .014 is 2.8 standard errors, found with .80."""
    x = np.random.default_rng(0).normal(size=USERS)
    x = 0.1 * (x - x.mean()) / x.std(ddof=1)
    needed = required_effects([rule(x)], seed=1)[:, 0]
    assert (needed < 0.014).mean() == pytest.approx(statistics.power_at(0.014, 0.1, USERS), abs=0.025)
    assert (needed < 0).mean() == pytest.approx(0.025, abs=0.008)


def test_two_rules_of_unrelated_users_multiply_and_the_same_rule_twice_does_not():
    x = np.random.default_rng(0).normal(size=USERS)
    half = np.arange(USERS) < USERS // 2
    one, other = rule(np.where(half, x, np.nan)), rule(np.where(half, np.nan, x))
    needed = required_effects([one, other], seed=1)
    chances = (needed < 0.2).mean(axis=0)
    assert (needed.max(axis=1) < 0.2).mean() == pytest.approx(chances.prod(), abs=0.025)
    again = required_effects([one, one], seed=1)
    assert (again.max(axis=1) < 0.2).mean() == pytest.approx(chances[0], abs=0.025)


def test_a_guardrail_on_the_edge_of_what_it_can_prove():
    """Its margin is 1.966 standard errors (t of 399): with nothing changed the bound clears it half of the time."""
    x = np.random.default_rng(3).normal(size=USERS)
    margin = 1.966 * x.std(ddof=1) / math.sqrt(USERS)
    needed = required_effects([rule(x, floor=-margin, ahead=None)], seed=1)
    assert np.isneginf(needed).mean() == pytest.approx(0.5, abs=0.025)
    assert set(np.unique(needed)) == {-math.inf, math.inf}


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.floats(0.005, 0.2))
def test_never_more_than_the_primary_or_the_guardrails_allow(seed: int, margin: float):
    generator = np.random.default_rng(seed)
    values = {
        arm: {m: generator.random(USERS) * rate for m in ("ndcg@10", "recall@50")}
        for arm, rate in (("new", 0.4), ("old", 0.4), ("popularity", 0.2), ("recent_popularity", 0.3))
    }
    profile = replace(small(), required=(NonInferiority(metric="recall@50", margin=margin),), if_evaluable=())
    found = power_of(scores_of(**values), "old", profile)
    assert found is not None
    assert 0 <= found.power <= min(found.primary_power, found.ceiling)
    assert (found.promotable_effect is None) == (found.ceiling < profile.primary.power)
    assert "recall@50 within" in found.hindrance


def test_a_window_that_cannot_prove_its_guardrail_is_told():
    """recall@50 spreads by 1 over 400 users: its half-width is .098, and a margin of .02 is out of reach."""
    x = np.random.default_rng(1).normal(size=USERS)
    same = {"ndcg@10": np.full(USERS, 0.1), "recall@50": np.zeros(USERS)}
    new = {"ndcg@10": 0.1 + 0.05 * x[::-1], "recall@50": x}
    scores = scores_of(new=new, old=same, popularity=same, recent_popularity=same)
    found = power_of(scores, "old", small())
    told = satisfiability_of(small(), users=USERS, sd=0.05, promotion=found)
    assert found is not None
    assert found.promotable_effect is None
    assert "recall@50 within 0.02 is proven with chance 0.0" in told.reason
    assert satisfiability_of(small(), users=USERS, sd=0.05).reason == ""


def test_no_users_no_power():
    empty = {arm: {"ndcg@10": np.full(USERS, np.nan)} for arm in ("new", "popularity")}
    assert power_of(scores_of(**empty), None, small()) is None
