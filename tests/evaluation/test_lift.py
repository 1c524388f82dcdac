"""Relative lift and Fieller's interval of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.lift import fieller_interval, relative_lift


def test_worked_example():
    """Baseline 1, 3, differences 1, 1: lift 2 / 4 = .5. s_dd = s_db = 0 and s_bb = 2, over two users 1.

    With z = 1 (confidence .6827) the roots of (1 - 2r)^2 = r^2 are 1/3 and 1.
    """
    baseline, differences = np.array([1.0, 3.0]), np.array([1.0, 1.0])
    one_sigma = math.erf(1 / math.sqrt(2))
    assert relative_lift(differences, baseline) == 0.5
    assert fieller_interval(differences, baseline, confidence=one_sigma) == pytest.approx((1 / 3, 1.0))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=40))
def test_the_interval_holds_the_lift(pairs: list[tuple[float, float]]):
    baseline, challenger = np.array(pairs).T
    found = fieller_interval(challenger - baseline, baseline)
    lift = relative_lift(challenger - baseline, baseline)
    if found is not None and lift is not None:
        assert found[0] - 1e-6 <= lift <= found[1] + 1e-6


def test_it_covers_as_often_as_it_says():
    """500 windows of 200 users whose true lift is .1: 95 % of the intervals hold it, within binomial noise."""
    generator, held = np.random.default_rng(4), 0
    for _ in range(500):
        baseline = generator.beta(1, 3, 200)
        found = fieller_interval(0.1 * baseline + generator.normal(0, 0.1, 200), baseline)
        assert found is not None
        held += found[0] <= 0.1 <= found[1]
    assert held / 500 == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 500))


@pytest.mark.parametrize("baseline", [np.zeros(50), np.array([]), np.array([1e-12, -1e-12])])
def test_there_is_no_lift_over_nothing(baseline: np.ndarray):
    differences = np.full(len(baseline), 0.1)
    assert relative_lift(differences, baseline) is None
    assert fieller_interval(differences, baseline) is None


def test_a_baseline_that_may_be_zero_bounds_nothing():
    """One user in a hundred has any value: its mean is less than 1.96 standard errors off 0."""
    baseline = np.zeros(100)
    baseline[0] = 1.0
    assert relative_lift(np.full(100, 0.1), baseline) == pytest.approx(10)
    assert fieller_interval(np.full(100, 0.1), baseline) is None
