"""Paired comparisons at their edges, and how often chance alone makes one look better."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from components.evaluation.comparison import Pairing, compare_pairs


def _compare(differences: np.ndarray):
    base = np.full(len(differences), 0.1)
    pairing = Pairing(
        challenger="new", baseline="old", metric="m", slice="all",
        challenger_values=base + differences, baseline_values=base,
    )  # fmt: skip
    return compare_pairs([pairing], resamples=2_000)[0]


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


def test_promotions_by_chance_stay_within_alpha():
    """400 A/A replays, arms split from one model by noise on skewed values: .025 of them may look better.

    The 95 % binomial bound of the rate must hold .025 or lie below it.
    """
    generator, better = np.random.default_rng(17), 0
    for _ in range(400):
        base = np.where(generator.random(250) < 0.6, 0.0, generator.beta(1, 3, 250))
        values = [np.clip(base + generator.normal(0, 0.05, 250) * (base > 0), 0, 1) for _ in range(2)]
        pairing = Pairing(
            challenger="a", baseline="b", metric="ndcg@10", slice="all",
            challenger_values=values[0], baseline_values=values[1],
        )  # fmt: skip
        better += compare_pairs([pairing], resamples=2_000)[0].lower > 0
    assert stats.binomtest(better, 400).proportion_ci().low <= 0.025
    assert better > 0
