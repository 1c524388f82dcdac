"""The gate's bounds: what they hold exactly, and that they err as seldom as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from components.evaluation.bootstrap import bootstrap_means
from components.evaluation.intervals import mean_intervals

USERS, WINDOWS = 200, 2_000


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.sampled_from([-1.0, 0.0, 0.0, 0.0, 0.25, 1.0]), min_size=2, max_size=60),
    st.floats(0.01, 100),
    st.floats(-5, 5),
)
def test_never_inside_student_and_moves_with_the_values(values: list[float], scale: float, shift: float):
    """No narrower than t at either end, finite, and that of a·x + b is a·interval + b."""
    x = np.array(values)[:, None]
    lower, upper = mean_intervals(x, resamples=400, seed=3)[0]
    half = stats.t.ppf(0.975, len(x) - 1) * stats.sem(x[:, 0])
    assert lower <= x.mean() - half + 1e-9
    assert upper >= x.mean() + half - 1e-9
    moved = mean_intervals(scale * x + shift, resamples=400, seed=3)[0]
    # a resample without spread is told apart in single precision
    np.testing.assert_allclose(moved, scale * np.array([lower, upper]) + shift, atol=2e-3 * scale, rtol=2e-3)


def test_worked_example():
    """0 and 1: mean 1/2, sd 1/2. Half of the resamples are 0,0 or 1,1: means ∓1 sd, without spread, so with
    1/√2 of it: t = √2 (∓1) √2 = ∓2. Student's 12.706 √2 is farther: 1/2 ± 12.706 √2 (1/2)/√2 = 1/2 ± 6.353.
    """
    x = np.array([[0.0], [1.0]])
    assert mean_intervals(x, resamples=2_000, seed=1)[0] == pytest.approx(
        [0.5 - 6.353, 0.5 + 6.353], abs=1e-3
    )


def test_one_user_who_differs_among_many_gives_a_finite_interval_that_holds_zero():
    x = np.zeros((200, 1))
    x[0] = 1.0
    lower, upper = mean_intervals(x, resamples=2_000, seed=1)[0]
    assert lower < 0 < upper < 1


def test_skewness_moves_the_end_that_it_endangers():
    """Small gains and rare losses: below what the draws say by |skewness| / U sd; above, not a hair nearer."""
    x = 0.4 - np.random.default_rng(1).gamma(0.4, size=(150, 1))
    lower, upper = mean_intervals(x, resamples=4_000, seed=1)[0]
    unit = (x - x.mean()) / x.std()
    mean, square = bootstrap_means(np.hstack([unit, unit**2]), resamples=4_000, seed=1).T
    drawn = np.quantile(np.sqrt(150) * mean / np.sqrt(square - mean**2), 0.975)
    student = stats.t.ppf(0.975, 149) * np.sqrt(150 / 149)
    assert drawn > student
    skewness = float(stats.skew(x[:, 0]))
    assert lower == pytest.approx(x.mean() - (drawn / np.sqrt(150) - skewness / 150) * x.std(), abs=1e-6)
    assert upper == pytest.approx(x.mean() + student / np.sqrt(150) * x.std(), abs=1e-6)
    assert mean_intervals(-x, resamples=4_000, seed=1)[0] == pytest.approx([-upper, -lower], abs=1e-6)


def test_columns_without_spread_are_their_mean():
    x = np.column_stack([np.zeros(50), np.full(50, 0.25), np.linspace(-1, 1, 50)])
    found = mean_intervals(x, resamples=500, seed=1)
    np.testing.assert_allclose(found[:2], [[0, 0], [0.25, 0.25]])
    assert found[2, 0] < 0 < found[2, 1]


def test_more_columns_than_are_held_at_once_change_nothing():
    x = np.random.default_rng(0).normal(size=(40, 600))
    whole = mean_intervals(x, resamples=300, seed=2)
    np.testing.assert_allclose(whole[500:], mean_intervals(x[:, 500:], resamples=300, seed=2), atol=1e-5)


def zero_inflated(generator: np.random.Generator) -> np.ndarray:
    """Three users in four do not differ, and a few of the others by far; symmetric about 0."""
    size = (USERS, WINDOWS)
    return (
        (generator.random(size) < 0.25)
        * np.exp(1.3 * generator.normal(size=size))
        * generator.choice([-1, 1], size)
    )


def skewed(generator: np.random.Generator) -> np.ndarray:
    """Many small gains and few large losses, as EASE against recent popularity on MovieLens: skewness -3.2."""
    return 0.4 - generator.gamma(0.4, size=(USERS, WINDOWS))


def wrongly_better(windows: np.ndarray, **more) -> float:
    """Lower end of the 95 % binomial interval of how often the mean is found to be above 0."""
    lower = mean_intervals(windows, resamples=2_000, seed=7, **more)[:, 0]
    found = stats.binomtest(int((lower > 0).sum()), WINDOWS)
    return float(found.proportion_ci(0.95).low)


@pytest.mark.parametrize(("world", "breaks"), [(zero_inflated, "bca"), (skewed, "percentile")])
def test_level(world, breaks: str):
    """2,000 windows without a difference: at most .025 pass, within the binomial bound; another kind does not hold."""
    windows = world(np.random.default_rng(5))
    assert wrongly_better(windows) <= 0.025
    assert wrongly_better(windows, kind=breaks) > 0.025
