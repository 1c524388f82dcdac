"""Closed forms on paired differences, by hand; the reference cases hold them to more digits."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from components.evaluation.statistics import (
    Correction,
    adjusted,
    clustered_mean,
    minimum_detectable_effect,
    power_at,
    standard_deviation,
    users_needed,
)


def test_holm_worked_example():
    """Sorted .01 .02 .04: times 3, 2, 1 is .03 .04 .04, and none falls below the one before it."""
    assert adjusted([0.04, 0.01, 0.02], "holm") == pytest.approx([0.04, 0.03, 0.04])
    assert len(adjusted([], "holm")) == 0


@pytest.mark.parametrize(
    ("correction", "method"),
    [
        ("holm", "holm"),
        ("bonferroni", "bonferroni"),
        ("hochberg", "simes-hochberg"),
        ("bh", "fdr_bh"),
        ("by", "fdr_by"),
    ],
)
def test_adjusted_values_are_statsmodels_own(
    correction: Correction, method: str, monkeypatch: pytest.MonkeyPatch
):
    """To the bit, ties and values of 0 and 1 among them: evidence that was written by either is the same."""
    # statsmodels collects garbage at each call: a second in a large process
    monkeypatch.setattr(gc, "collect", lambda: 0)
    generator = np.random.default_rng(5)
    for _ in range(200):
        p = generator.random(generator.integers(1, 9)).round(generator.integers(1, 9))
        expected = multipletests(p, method=method)[1]
        assert adjusted(p, correction).tobytes() == expected.tobytes(), p


def test_events_of_one_user_count_as_one():
    """Two users, each with the same value four times: eight events, and the error of two users.

    Mean .5, residual sums +-2: sqrt(2 / 1 (4 + 4)) / 8 = .5, where the events alone would give sqrt(2/7) / 2^1.5.
    """
    found = clustered_mean(np.repeat([7, 9], 4), np.repeat([1.0, 0.0], 4))
    assert (found.mean, found.cluster_se) == (0.5, 0.5)
    assert found.naive_se == pytest.approx(math.sqrt(2 / 7) / math.sqrt(8))
    with pytest.raises(ValueError, match="1 user: an error between users needs two"):
        clustered_mean(np.zeros(3, dtype=int), np.ones(3))


def test_spread_that_is_only_rounding_is_none():
    assert standard_deviation(np.full(5, 0.1) + np.array([0, 1, 0, 1, 0]) * 1e-17) == 0
    assert standard_deviation(np.array([0.4])) == 0
    assert standard_deviation(np.array([0.0, 1.0])) == pytest.approx(math.sqrt(0.5))


@given(sd=st.floats(0.01, 2), n=st.integers(2, 10**6), power=st.floats(0.5, 0.99))
def test_what_is_detectable_is_found_with_that_power_by_that_many_users(sd: float, n: int, power: float):
    effect = minimum_detectable_effect(sd, n, power=power)
    assert users_needed(sd, effect, power=power) == pytest.approx(n)
    # the other tail adds what the closed form leaves out: next to nothing at such powers
    assert power_at(effect, sd, n) == pytest.approx(power, abs=1e-4)


def test_one_sided_figures_are_those_of_the_test_that_the_gate_makes():
    """0.07057: the noncentral t's, by statsmodels; the closed form is .3 % below it."""
    asked = {"alpha": 0.05, "power": 0.8, "alternative": "larger"}
    assert minimum_detectable_effect(0.4, 200, exact=True, **asked) == pytest.approx(0.07057, abs=5e-6)
    effect = minimum_detectable_effect(0.4, 200, **asked)
    assert effect == pytest.approx(0.07033, abs=5e-6)
    assert users_needed(0.4, effect, **asked) == pytest.approx(200)
    assert users_needed(0.4, 0.07057, exact=True, **asked) == pytest.approx(200, abs=0.05)
    assert power_at(effect, 0.4, 200, alpha=0.05, alternative="larger") == pytest.approx(0.8)
    # what is worse is never found to be better
    assert power_at(-effect, 0.4, 200, alpha=0.05, alternative="larger") < 1e-4
    assert power_at(-0.1, 0.0, 50, alternative="larger") == 0


def test_without_users_or_spread_nothing_divides():
    assert minimum_detectable_effect(0.1, 1) == math.inf
    assert minimum_detectable_effect(0.0, 50) == 0
    assert (power_at(0.1, 0.0, 50), power_at(0.0, 0.0, 50), power_at(0.1, 0.0, 1)) == (1, 0, 0)
    with pytest.raises(ValueError, match="positive"):
        users_needed(0.1, 0.0)
