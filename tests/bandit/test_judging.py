"""Planted worlds: a bandit that should win does, one with nothing to go by is held, mute logs are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.bandit.arm_log import ArmLog, split_in_time
from components.bandit.arm_policy import learn
from components.bandit.judging import BanditResult, judge_bandit
from components.bandit.verdict import deciding
from components.evaluation.counterfactual.logged import LoggedFeedbackError
from components.evaluation.counterfactual.profile import small
from components.evaluation.verdict import Outcome, Result
from tests.bandit.worlds import GOOD, HalvesWorld, draw_of_dealt_users

PROFILE = replace(small(), resamples=2_000, estimator="dr")


def judged(log: ArmLog, versions: tuple[str, ...] = ("1", "2"), explore: float = 0.05) -> BanditResult:
    first, later = split_in_time(log, 0.5)
    return judge_bandit(first, later, versions, PROFILE, explore=explore)


def test_where_each_half_has_its_version_the_bandit_comes_near_to_the_oracle():
    """Of an oracle's .5 what is dealt evenly costs .0075 and a line at a step some more; a version alone brings .35."""
    world = HalvesWorld()
    result = judged(world.draw(16_000, 0))
    assert result.verdict.outcome is Outcome.PROMOTE
    bandit, *singles = result.policies
    for estimate in bandit.estimates:
        assert world.oracle - 0.03 < estimate.upper
        assert estimate.value == pytest.approx(world.oracle, abs=0.035)
    for single in singles:
        found = deciding(single.estimates, PROFILE)
        assert found.lower < world.single < found.upper
    for lead in result.leads:
        assert all(e.delta_lower > 0.09 for e in lead.estimates)
    assert result.verdict.reasons[0].startswith(
        f"the bandit is better than version {result.best_single}, the best single one: +0.1"
    )
    # a twentieth of the lists is dealt evenly, half of it rightly: .05 × (.35 - .5)
    assert result.exploring == pytest.approx(-0.0075, abs=0.002)
    assert bandit.share == pytest.approx((0.5, 0.5), abs=0.05)


def test_value_of_the_policy_is_the_true_one():
    """The value by every estimator against the world's own reward of what the policy draws, over twenty logs."""
    misses, covered = [], 0
    for seed in range(20):
        log = HalvesWorld().draw(8_000, seed)
        first, later = split_in_time(log, 0.5)
        policy = learn(first, ("1", "2"))
        fresh = HalvesWorld().draw(10_000, 1_000 + seed, users=10_000)
        is_right = (fresh.context[:, 0] > 500).astype(int)
        drawn = policy.probabilities(fresh.context)[np.arange(10_000), is_right]
        true = 0.2 + (GOOD - 0.2) * drawn.mean()
        found = deciding(
            judge_bandit(first, later, ("1", "2"), PROFILE, explore=0.05).policies[0].estimates, PROFILE
        )
        misses.append(found.value - true)
        covered += found.lower < true < found.upper
    assert abs(np.mean(misses)) < 3 * np.std(misses) / np.sqrt(20)
    assert covered >= 16  # fewer of twenty would come less than once in a thousand at 95 %


@pytest.mark.parametrize("seed", range(4))
def test_a_context_that_says_nothing_is_not_told_from_the_best_single_version(seed: int):
    result = judged(HalvesWorld(context_matters=False).draw(8_000, seed))
    assert result.verdict.outcome is Outcome.HOLD
    assert result.verdict.reasons[0].startswith("the bandit is not told from version ")


def test_a_context_that_says_nothing_is_hardly_ever_promoted():
    """At most 2.5 % in the long run; of 100 logs nine promotions or more would come once in a thousand."""
    world = HalvesWorld(context_matters=False)
    promoted = [judged(world.draw(5_000, seed)).verdict.outcome is Outcome.PROMOTE for seed in range(100)]
    assert sum(promoted) < 9


def test_users_who_stay_with_their_version_lend_the_bandit_no_lead():
    """Versions are equal, users are not. Over 40 logs a bandit is worth what the log is.

    One that learned from the users that it is judged by seems to be worth .017 more: eight standard errors.
    """
    leads = []
    for seed in range(40):
        bandit = judged(draw_of_dealt_users(6_000, seed)).policies[0]
        leads.append(deciding(bandit.estimates, PROFILE).delta)
    assert abs(np.mean(leads)) < 3 * np.std(leads) / np.sqrt(len(leads))


def test_a_version_that_is_better_for_all_is_not_beaten_by_dealing_evenly():
    """Half of the lists dealt evenly cost what the better version would have brought: REJECT names it."""
    log = HalvesWorld().draw(8_000, 0)
    chance = np.where(log.arm == 1, 0.6, 0.2)
    log = replace(log, reward=(np.random.default_rng(1).random(8_000) < chance).astype(float))
    result = judged(log, explore=0.5)
    assert result.verdict.outcome is Outcome.REJECT
    assert result.best_single == "2"
    assert result.verdict.reasons[0].startswith(
        "the bandit is worse than version 2, the best single one: -0."
    )
    assert "let that one answer everybody" in result.verdict.reasons[0]


# --- refusals ------------------------------------------------------------------------------------------


def refused(result: BanditResult, check: str) -> None:
    assert result.verdict.outcome is Outcome.INVALID
    assert check in {c.name for c in result.verdict.checks if c.result is Result.FAILED}


def test_a_version_that_the_log_never_shows_is_refused():
    log = HalvesWorld().draw(8_000, 0)
    refused(judged(replace(log, arms=("1", "2", "3")), ("1", "2", "3")), "version 3: overlap")


def test_a_log_that_never_drew_is_refused():
    """Who was given what hung on the user alone: every propensity is 1."""
    log = HalvesWorld().draw(8_000, 0)
    refused(judged(replace(log, propensity=np.ones(8_000))), "bandit: exploration")


def test_propensities_that_are_not_those_of_the_log_are_refused():
    log = HalvesWorld().draw(8_000, 0)
    refused(judged(replace(log, propensity=np.where(log.arm == 1, 0.3, 0.7))), "version 2: mean weight")


def test_a_version_that_was_shown_too_seldom_is_refused():
    refused(judged(HalvesWorld(share=0.1).draw(8_000, 0)), "version 2: effective sample")


def test_lists_of_fewer_users_than_folds_are_refused():
    log = HalvesWorld().draw(8_000, 0, users=4)
    with pytest.raises(LoggedFeedbackError, match="4 users, who cannot be cut into 5 folds"):
        judged(log)


def test_too_few_rewards_are_held_even_where_the_lead_is_clear():
    log = HalvesWorld().draw(8_000, 0)
    rare = log.reward * (np.random.default_rng(2).random(8_000) < 0.03)
    result = judged(replace(log, reward=rare))
    assert result.verdict.outcome is Outcome.HOLD
    assert any("too few for an interval" in reason for reason in result.verdict.reasons)


@pytest.mark.parametrize("seed", [9, 175])
def test_what_is_told_by_too_few_rewards_of_a_version_is_held(seed: int):
    """Two equal versions, the second shown to a tenth, 1.1 % of 24,000 lists rewarded: some 13 judge it.

    Of 200 such logs nine have the bandit behind a version by what the interval tells, and in these two the bandit
    itself has rewards enough.
    """
    log = HalvesWorld(share=0.1).draw(24_000, seed)
    reward = (np.random.default_rng(seed).random(24_000) < 0.011).astype(float)
    verdict = judged(replace(log, reward=reward)).verdict
    assert Result.FAILED in {c.result for c in verdict.checks if c.name.startswith("lead over")}
    assert verdict.outcome is Outcome.HOLD
    assert verdict.reasons[0].startswith("version 2: ")
    assert "too few for an interval" in verdict.reasons[0]


def test_versions_that_are_left_out_still_stand_in_the_log():
    """Three answered, two are asked for: rounds of the third weigh nothing, and the values are what they were."""
    log = HalvesWorld().draw(18_000, 0)
    third = np.random.default_rng(4).random(18_000) < 1 / 3
    log = replace(
        log, arms=("1", "2", "3"), arm=np.where(third, 2, log.arm), reward=np.where(third, 0.0, log.reward),
        propensity=np.where(third, 1 / 3, log.propensity * 2 / 3),
    )  # fmt: skip
    result = judged(log)
    assert result.arms == ("1", "2")
    assert result.verdict.outcome is Outcome.PROMOTE
    assert deciding(result.policies[0].estimates, PROFILE).value == pytest.approx(GOOD, abs=0.05)
    assert result.logged_mean == pytest.approx(0.35 * 2 / 3, abs=0.02)
