"""Paired statistics at their edges; the figures themselves are held to the reference cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from components.evaluation import rehearsal, sequential
from components.evaluation.bootstrap import bootstrap_means
from components.evaluation.comparison import Pairing, compare_pairs
from components.evaluation.permutation import sign_flip_p


def _compare(differences: np.ndarray):
    base = np.full(len(differences), 0.1)
    pairing = Pairing(
        challenger="new", baseline="old", metric="m", slice="all",
        challenger_values=base + differences, baseline_values=base,
    )  # fmt: skip
    return compare_pairs([pairing], resamples=2_000)[0]


def test_bootstrap_is_the_multinomial_one():
    """Every resample draws U users, so the replicates' variance is var(x) / U and their mean the mean."""
    for num_users in (2, 5, 40, 291, 5_000):
        x = np.random.default_rng(num_users).exponential(size=(num_users, 1))
        replicates = bootstrap_means(x, resamples=8_000, seed=1)[:, 0]
        assert replicates.mean() == pytest.approx(x.mean(), abs=5 * x.std() / math.sqrt(num_users * 8_000))
        assert replicates.std() == pytest.approx(x.std() / math.sqrt(num_users), rel=0.04)


def test_bootstrap_of_two_users_is_binomial():
    """Users at 0 and 1: a resample's mean is 0, 1/2 or 1 with chances 1/4, 1/2, 1/4."""
    replicates = bootstrap_means(np.array([[0.0], [1.0]]), resamples=20_000, seed=2)[:, 0]
    shares = [np.isclose(replicates, value).mean() for value in (0, 0.5, 1)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.015)


@pytest.mark.parametrize("num_users", [1, 3, 30, 400, 10_000])
def test_how_often_a_user_is_drawn_is_binomial(num_users: int):
    """A column that is 1 for one user and 0 for the others gives that user's share of every resample."""
    one = np.zeros((num_users, 1))
    one[num_users // 2] = 1.0
    resamples = 40_000
    times = np.rint(bootstrap_means(one, resamples=resamples, seed=3)[:, 0] * num_users).astype(int)
    expected = stats.binom.pmf(np.arange(6), num_users, 1 / num_users)
    found = np.bincount(times, minlength=6)[:6] / resamples
    error = np.sqrt(expected * (1 - expected) / resamples)
    assert (np.abs(found - expected) <= 4.5 * error + 1e-12).all()


def test_columns_share_their_draws_and_do_not_change_them():
    x = np.random.default_rng(0).normal(size=(300, 3))
    together = bootstrap_means(x, resamples=500, seed=4)
    alone = bootstrap_means(x[:, 1:2], resamples=500, seed=4)
    np.testing.assert_allclose(together[:, 1:2], alone, atol=1e-6)
    gap = bootstrap_means(x[:, 0:1] - x[:, 1:2], resamples=500, seed=4)[:, 0]
    np.testing.assert_allclose(gap, together[:, 0] - together[:, 1], atol=1e-6)


def test_no_difference_at_all():
    found = _compare(np.zeros(50))
    assert (found.delta, found.lower, found.upper, found.p, found.dz) == (0, 0, 0, 1, 0)
    assert found.zero_share == 1


def test_all_users_differ_by_the_same():
    found = _compare(np.full(50, 0.25))
    assert (found.lower, found.upper, found.dz) == pytest.approx((0.25, 0.25, 0))
    assert found.p < 0.01


def test_no_users_is_nan_and_never_a_pass():
    found = _compare(np.zeros(0))
    assert found.n == 0
    assert math.isnan(found.lower)
    assert not found.is_finite


def test_a_user_without_a_value_in_one_arm_is_left_out():
    pairing = Pairing(
        challenger="new", baseline="old", metric="m", slice="all",
        challenger_values=np.array([1.0, np.nan, 3.0]), baseline_values=np.array([0.0, 5.0, 0.0]),
    )  # fmt: skip
    found = compare_pairs([pairing], resamples=2_000)[0]
    assert (found.n, found.delta) == (2, 2.0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_exact_permutation_agrees_with_enumeration(values: list[int]):
    differences = np.array(values, dtype=float)
    signs = 1 - 2 * ((np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1)
    means = (signs * differences).mean(axis=1)
    greater = (means >= differences.mean() - 1e-12).mean()
    less = (means <= differences.mean() + 1e-12).mean()
    found = sign_flip_p(differences[:, None], seed=0)[0]
    assert found == pytest.approx(min(1, 2 * min(greater, less)))


def test_monte_carlo_p_is_never_zero_and_repeats():
    differences = np.full((100, 1), 0.3)
    p = sign_flip_p(differences, resamples=999, seed=1)
    assert p[0] == pytest.approx(2 / 1000)
    assert (p == sign_flip_p(differences, resamples=999, seed=1)).all()


def test_a_small_expected_count_takes_the_exact_binomial():
    found = rehearsal.sample_ratio([4, 2], [0.5, 0.5])
    assert found.p == pytest.approx(stats.binomtest(4, 6, 0.5).pvalue)


def test_cuped_with_a_constant_covariate_changes_nothing():
    after, arm = np.array([1.0, 2.0, 4.0, 3.0]), np.array([0, 0, 1, 1])
    found = rehearsal.cuped(np.ones(4), after, arm)
    assert (found.theta, found.adjusted) == (0.0, found.raw)


def test_a_value_outside_the_unit_interval_is_named():
    with pytest.raises(ValueError, match=r"value 1 is -0\.5"):
        sequential.empirical_bernstein(np.array([0.5, -0.5]))
