"""The verdict on logged feedback: planted truths are found, and logs that cannot tell are refused."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from components.evaluation.counterfactual.evaluation import LoggedResult, evaluate_logged
from components.evaluation.counterfactual.logged import LoggedFeedback
from components.evaluation.counterfactual.profile import small
from components.evaluation.counterfactual.suite import ORDER
from components.evaluation.counterfactual.support import describe_support
from components.evaluation.gate import Outcome, Result
from tests.evaluation.counterfactual.worlds import World, draw_log, make_world

PROFILE = replace(small(), resamples=2_000)


def judged(world: World, rounds: int = 6_000, seed: int = 0) -> LoggedResult:
    return evaluate_logged(draw_log(world, rounds, np.random.default_rng(seed)), PROFILE)


def failed(result: LoggedResult) -> set[str]:
    return {check.name for check in result.verdict.checks if check.result is not Result.PASSED}


def test_a_better_policy_is_promoted() -> None:
    world = make_world(lift=1.0)
    result = judged(world)
    assert result.verdict.outcome is Outcome.PROMOTE
    assert world.value > world.logged_value
    for estimate in result.estimates:
        if estimate.name in ("ips", "snips", "dr", "sndr"):
            assert estimate.lower < world.value < estimate.upper
            assert 0 < estimate.delta_lower < world.value - world.logged_value < estimate.delta_upper


def test_a_worse_policy_is_rejected() -> None:
    result = judged(make_world(lift=-1.0))
    assert result.verdict.outcome is Outcome.REJECT
    assert "worse than the policy that logged" in result.verdict.reasons[0]


def test_the_policy_that_logged_is_held() -> None:
    result = judged(make_world(lift=0.0))
    assert result.verdict.outcome is Outcome.HOLD
    snips = result.estimates[ORDER.index("snips")]
    assert (snips.delta, snips.delta_lower, snips.delta_upper) == pytest.approx((0, 0, 0), abs=1e-6)


def test_no_difference_says_whether_one_could_have_been_found() -> None:
    world = make_world(lift=1.0)
    fair = replace(world, mean_reward=np.full_like(world.mean_reward, 0.3))
    little, enough = judged(fair, 1_500), judged(fair, 6_000)
    assert little.verdict.outcome is enough.verdict.outcome is Outcome.HOLD
    assert re.search(r"would need [\d,]+ rounds", little.verdict.reasons[0])
    assert "was detectable" in enough.verdict.reasons[0]


def test_policies_of_equal_value_are_hardly_ever_promoted() -> None:
    """Targets that differ from the log while no action is better: at most 2.5 % in the long run.

    200 logs; 12 promotions would come less than once in a hundred at that rate.
    """
    world = make_world(lift=1.0)
    fair = replace(world, mean_reward=np.full_like(world.mean_reward, 0.3))
    promoted = sum(judged(fair, 1_500, seed).verdict.outcome is Outcome.PROMOTE for seed in range(200))
    assert promoted < 12


# --- refusals ------------------------------------------------------------------------------------------


def refused(log: LoggedFeedback, check: str) -> None:
    result = evaluate_logged(log, PROFILE)
    assert result.verdict.outcome is Outcome.INVALID
    assert "not evaluable" in result.verdict.reasons[0]
    assert check in failed(result)


@pytest.fixture(scope="module")
def good() -> LoggedFeedback:
    return draw_log(make_world(lift=1.0), 3_000, np.random.default_rng(1), knows_policy=False)


def test_propensities_of_another_policy(good: LoggedFeedback) -> None:
    """Popularity, dressed as propensity: every weight changes and their mean leaves 1."""
    share = np.bincount(good.action) / len(good)
    refused(replace(good, propensity=np.minimum(1.0, share[good.action] * 1.5)), "mean weight")
    slightly = replace(good, propensity=good.propensity * 0.95)  # mean weight 1.05 lies within [.9, 1.1]
    refused(slightly, "mean weight by chance")
    assert "mean weight" not in failed(evaluate_logged(slightly, PROFILE))


def test_too_small_a_sample() -> None:
    refused(draw_log(make_world(lift=1.0), 900, np.random.default_rng(0)), "effective sample")


def test_one_round_that_weighs_it_all(good: LoggedFeedback) -> None:
    propensity = good.propensity.copy()
    propensity[7] = good.target[7] / 300
    refused(replace(good, propensity=propensity), "heaviest round")


def test_a_log_that_never_drew(good: LoggedFeedback) -> None:
    ones = np.ones(len(good))
    refused(replace(good, propensity=ones, target=ones), "exploration")


def test_mass_where_the_log_hardly_ever_looks(good: LoggedFeedback) -> None:
    propensity, target = good.propensity.copy(), good.target.copy()
    propensity[:200], target[:200] = 1e-3, 1e-3
    refused(replace(good, propensity=propensity, target=target), "hardly ever shown")


def test_mass_where_the_log_never_looks() -> None:
    """The log shows three of four actions, and the mean weight of those says nothing of the fourth."""
    world = make_world(lift=1.0)
    logging = world.logging.copy()
    logging[:, 3] = 0
    logging /= logging.sum(axis=1, keepdims=True)
    log = draw_log(replace(world, logging=logging), 3_000, np.random.default_rng(0))
    support = describe_support(log, low_propensity_of_uniform=0.01)
    assert support.never_shown_share == pytest.approx(world.target[log.policy.row, 3].mean())
    refused(log, "never shown")


def test_many_rounds_of_few_users(good: LoggedFeedback) -> None:
    refused(replace(good, cluster=np.arange(len(good)) % 150), "clusters")


def test_no_weight_at_all(good: LoggedFeedback) -> None:
    nowhere = replace(good, target=np.zeros(len(good)))
    refused(nowhere, "overlap")
    values = {e.name: e for e in evaluate_logged(nowhere, PROFILE).estimates}
    assert values["ips"].value == 0
    assert math.isnan(values["snips"].value)


def test_one_round() -> None:
    log = draw_log(make_world(), 1, np.random.default_rng(0))
    assert evaluate_logged(log, PROFILE).verdict.outcome is Outcome.INVALID


def test_few_rewards_are_not_enough() -> None:
    """60 clicks in 6,000 rounds, all where the target policy looks: better by every estimator, and held."""
    world = make_world(lift=1.0)
    log = draw_log(world, 6_000, np.random.default_rng(0))
    reward = np.zeros(len(log))
    reward[np.argsort(-log.weight, kind="stable")[:60]] = 1
    result = evaluate_logged(replace(log, reward=reward), PROFILE)
    assert result.estimates[ORDER.index("snips")].delta_lower > 0
    assert result.verdict.outcome is Outcome.HOLD
    assert failed(result) == {"rewards"}


def test_rewards_that_the_target_policy_hardly_weighs_are_few() -> None:
    """Thousands of rewards, but nearly all that they weigh lies on forty rounds."""
    log = draw_log(make_world(lift=1.0), 6_000, np.random.default_rng(0))
    reward = np.full(len(log), 1e-3)
    reward[np.argsort(-log.weight, kind="stable")[:40]] = 1
    support = describe_support(replace(log, reward=reward), low_propensity_of_uniform=0.01)
    assert support.rewarded == 6_000
    assert 40 < support.rewarded_worth < 60
    assert "rewards" in failed(evaluate_logged(replace(log, reward=reward), PROFILE))
