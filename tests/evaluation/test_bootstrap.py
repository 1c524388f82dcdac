"""The bootstrap over users draws what it says, for every column alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from components.evaluation.bootstrap import bootstrap_means


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
