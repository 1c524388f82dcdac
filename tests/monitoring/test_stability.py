"""PSI by hand; its null by simulation, where users have tastes of their own; a planted change is found."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from components.monitoring.stability import counts_by_user, population_stability
from tests.monitoring.examples import counts

BASE = np.array([0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.05, 0.02])


def one_event_each(*bins: int) -> np.ndarray:
    return np.repeat(np.eye(len(bins), dtype=int), bins, axis=0)


def test_worked_example() -> None:
    """Of 99 + 1 and 49 + 51 rows, half a row added to each bin: p = (99.5, 1.5)/101, q = (49.5, 51.5)/101.

    (49.5 - 99.5)/101 ln(49.5/99.5) + (51.5 - 1.5)/101 ln(51.5/1.5) = .3456 + 1.7506 = 2.0962.
    """
    found = population_stability(one_event_each(99, 1), one_event_each(49, 51), alpha=0.01)
    by_hand = 50 / 101 * math.log(99.5 / 49.5) + 50 / 101 * math.log(51.5 / 1.5)
    assert found.psi == pytest.approx(by_hand)
    assert found.psi == pytest.approx(2.0962, abs=1e-3)
    assert (found.num_reference, found.num_current, found.num_users) == (100, 100, 100)


def test_one_event_a_user_has_the_null_of_independent_rows() -> None:
    """Expected (B - 1)(1/n + 1/m), and the quantile of a chi-square of B - 1 degrees of freedom."""
    rng = np.random.default_rng(3)
    reference, current = (np.eye(8, dtype=int)[rng.choice(8, n, p=BASE)] for n in (4000, 2000))
    found = population_stability(reference, current, alpha=0.01)
    rows = 1 / 4000 + 1 / 2000
    assert found.expected == pytest.approx(7 * rows, rel=0.02)
    assert found.noise == pytest.approx(stats.chi2.isf(0.01, 7) * rows, rel=0.03)


@pytest.mark.parametrize("users", [60, 200])
def test_false_alarms_come_at_the_rate_that_was_asked_for(users: int) -> None:
    """600 pairs of one population, at 5 %: 30 expected, standard deviation 5.3. By rows alone nearly all alarm."""
    rng = np.random.default_rng(users)
    alarms = naive = 0
    for _ in range(600):
        found = population_stability(counts(rng, 300, BASE), counts(rng, users, BASE), alpha=0.05)
        alarms += found.psi > found.noise
        by_rows = stats.chi2.isf(0.05, 7) * (1 / found.num_reference + 1 / found.num_current)
        naive += found.psi > by_rows
    assert 12 <= alarms <= 50
    assert naive > 500


def test_a_planted_change_is_found() -> None:
    """A fifth of the events move from the first bin to the last: of 40 pairs of 200 users all alarm."""
    rng = np.random.default_rng(5)
    moved = BASE + 0.2 * (np.eye(8)[7] - np.eye(8)[0])
    for _ in range(40):
        found = population_stability(counts(rng, 300, BASE), counts(rng, 200, moved), alpha=0.001)
        assert found.psi > max(found.noise, 0.1)


def test_the_noise_does_not_depend_on_users_that_did_nothing() -> None:
    reference, current = one_event_each(60, 40), one_event_each(30, 20)
    padded = np.concatenate([current, np.zeros((500, 2), dtype=int)])
    assert population_stability(reference, padded, alpha=0.01) == population_stability(
        reference, current, alpha=0.01
    )


def test_an_empty_sample_has_no_figure() -> None:
    found = population_stability(one_event_each(5, 5), np.zeros((0, 2), dtype=int), alpha=0.01)
    assert math.isnan(found.psi)
    assert math.isnan(found.noise)


def test_counts_by_user_leaves_out_what_is_in_no_bin() -> None:
    users = pd.Series(["a", "b", "a", "a", "c"])
    found = counts_by_user(users, np.array([0, 1, 0, 1, -1]), num_bins=2)
    assert found.tolist() == [[2, 1], [0, 1]]
