"""The policy: what it draws with is a chance of being best, learned from a log, and the same from its values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from components.bandit.arm_log import ArmLog
from components.bandit.arm_policy import _chance_of_best, learn
from tests.bandit.worlds import BAD, GOOD, HalvesWorld


def test_of_two_arms_the_chance_is_that_of_a_normal_difference():
    """Means .3 and .1 with deviations .3 and .4: the difference is N(.2, .5²), above 0 with Φ(.4) = .6554."""
    chance = _chance_of_best(np.array([[0.3, 0.1]]), np.array([[0.3, 0.4]]))
    assert chance[0].tolist() == pytest.approx([stats.norm.cdf(0.4), stats.norm.sf(0.4)], abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_of_many_arms_it_is_how_often_a_draw_is_the_largest(seed: int):
    generator = np.random.default_rng(seed)
    mean, deviation = generator.normal(size=(1, 4)), generator.uniform(0.2, 2, (1, 4))
    drawn = generator.normal(mean, deviation, (40_000, 4)).argmax(axis=1)
    often = np.bincount(drawn, minlength=4) / 40_000
    assert _chance_of_best(mean, deviation)[0].tolist() == pytest.approx(often.tolist(), abs=0.015)


def test_each_half_of_the_users_is_given_its_version():
    policy = learn(HalvesWorld().draw(20_000, 0), ("1", "2"), explore=0.1)
    ends = np.array([[50.0, 10.0], [950.0, 10.0]])
    drawn = policy.probabilities(ends)
    # the floor of each arm is half of what is dealt evenly
    assert np.allclose(drawn, [[0.95, 0.05], [0.05, 0.95]], atol=0.001)
    # the line through a step is steeper than the step's two levels at the ends, and crosses it in the middle
    predicted = policy.predicted(np.array([[500.0, 10.0]]))
    assert predicted[0].tolist() == pytest.approx([(GOOD + BAD) / 2] * 2, abs=0.03)


def test_an_arm_that_the_log_gave_to_some_is_fitted_to_all():
    """Reward of arm 1 is 1 for a tenth of the users, 0 for the others; the log gave it to these ten times as often.

    Without a number that tells users apart its mean for all is .1, not the half that its rounds show.
    """
    generator = np.random.default_rng(3)
    rounds = 40_000
    is_lucky = generator.random(rounds) < 0.1
    share = np.where(is_lucky, 0.9, 0.1)
    arm = (generator.random(rounds) < share).astype(int)
    log = ArmLog(
        context=np.zeros((rounds, 1)), context_names=("nothing",), arm=arm, arms=("0", "1"),
        reward=(arm * is_lucky).astype(float), propensity=np.where(arm == 1, share, 1 - share),
        cluster=np.arange(rounds),
    )  # fmt: skip
    assert log.reward[arm == 1].mean() == pytest.approx(0.5, abs=0.02)
    assert learn(log, ("0", "1")).predicted(np.zeros((1, 1)))[0, 1] == pytest.approx(0.1, abs=0.01)


def test_an_arm_without_a_round_is_tried():
    """It keeps the prior: the mean of all, with the spread of one round. So it is drawn for about half."""
    log = HalvesWorld().draw(2_000, 1)
    policy = learn(replace(log, arms=("1", "2", "3")), ("1", "2", "3"), explore=0.0)
    middle = policy.probabilities(np.array([[500.0, 10.0]]))
    assert 0.4 < middle[0, 2] < 0.6
    assert policy.predicted(np.array([[500.0, 10.0]]))[0, 2] == pytest.approx(policy.overall)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), explore=st.floats(0, 1))
def test_probabilities_sum_to_one_and_keep_the_floor(seed: int, explore: float):
    """Whatever the context: numbers never seen in the log, huge ones, a column of one value."""
    generator = np.random.default_rng(seed)
    log = HalvesWorld().draw(300, seed, users=50)
    log = replace(log, context=log.context * [1, 0])
    policy = learn(log, ("1", "2"), explore=explore)
    drawn = policy.probabilities(generator.normal(0, 1e6, (20, 2)))
    assert drawn.sum(axis=1).tolist() == pytest.approx([1.0] * 20)
    assert drawn.min() >= explore / 2 - 1e-12


def test_rewards_that_never_differ_leave_arms_alike():
    log = HalvesWorld().draw(500, 2)
    policy = learn(replace(log, reward=np.zeros(500)), ("1", "2"))
    assert np.allclose(policy.probabilities(log.context[:5]), 0.5)


def test_only_the_rank_of_a_number_counts():
    """The same log with its first number squared, or on another scale, gives the same policy for the same users."""
    log = HalvesWorld().draw(4_000, 3)
    bent = replace(log, context=np.column_stack([np.exp(log.context[:, 0] / 100), log.context[:, 1]]))
    straight, curved = learn(log, ("1", "2")), learn(bent, ("1", "2"))
    apart = straight.probabilities(log.context) - curved.probabilities(bent.context)
    # a quantile between two values lies elsewhere on a bent scale: a rank of 1 / 4,000, which tells near the middle
    assert np.abs(apart).mean() < 0.005


def test_the_policy_holds_no_single_users_extreme():
    """One user's 10⁶ and another's -10⁶ among 4,000 lists stand nowhere in it, and are ranked as the ends are."""
    log = HalvesWorld().draw(4_000, 5)
    context = log.context.copy()
    context[[7, 9], 0] = 1e6, -1e6
    policy = learn(replace(log, context=context), ("1", "2"))
    assert np.abs(policy.knots).max() < 1_001
    alike = policy.probabilities(np.array([[1e6, 10.0], [999.9, 10.0], [-1e6, 10.0], [0.1, 10.0]]))
    assert np.array_equal(alike[::2], alike[1::2])


def test_values_that_do_not_fit_each_other_are_refused():
    policy = learn(HalvesWorld().draw(200, 0), ("1", "2"))
    with pytest.raises(ValueError, match="shapes are"):
        replace(policy, arms=("1", "2", "3"))
    with pytest.raises(ValueError, match="not in"):
        learn(HalvesWorld().draw(200, 0), ("1", "9"))
