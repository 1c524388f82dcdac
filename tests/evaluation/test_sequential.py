"""Looking at every user: what holds then, and what a replay tells of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.evaluation import sequential
from components.evaluation.sequential import anytime_bounds, follow, mixture_rho

SETTINGS = {"method": "normal_mixture", "alpha": 0.05, "n_min": 500, "v_opt": 500}


def path_of(differences: np.ndarray, **changes):
    named = {"challenger": "new", "baseline": "old", "metric": "ndcg@10", "decides": True}
    return follow(differences, **(named | SETTINGS | changes))


def test_worked_example_of_the_mixture():
    """Four differences 1, 0, 1, 0: mean 1/2, variance (2 - 4/4) / 3 = 1/3.

    At v_opt 4 and alpha .05 the bound on |S| is sd sqrt((4 + rho)(log((4 + rho)/rho) + 2 log 20)).
    """
    rho = mixture_rho(4, 0.05)
    bound = math.sqrt(1 / 3 * (4 + rho) * (math.log((4 + rho) / rho) + 2 * math.log(20)))
    bounds = anytime_bounds(
        np.array([1.0, 0, 1, 0]) / 10, method="normal_mixture", alpha=0.05, n_min=4, v_opt=4
    )
    assert bounds[-1] == pytest.approx([0.05 - bound / 40, 0.05 + bound / 40])
    assert bounds[:3].tolist() == [[-1, 1]] * 3  # before n_min nothing is known


def test_a_difference_is_decided_where_it_begins_to_stand():
    generator = np.random.default_rng(1)
    path = path_of(generator.normal(0.05, 0.2, 3_000).clip(-1, 1))
    assert path.decided_at is not None
    assert 500 <= path.decided_at < 3_000
    at = path.n.index(path.decided_at)
    assert all(lower > 0 for lower in path.lower[at:])
    assert path.decided_at == 500 or path.lower[at - 1] <= 0
    assert (path.users, path.n[-1]) == (3_000, 3_000)
    assert len(path.n) <= 201


def test_no_difference_is_not_decided():
    path = path_of(np.zeros(800))
    assert (path.decided_at, path.lower[-1], path.upper[-1]) == (None, -1, 1)
    assert path_of(np.full(20, 0.5)).decided_at is None  # 20 users are before the first look


@pytest.mark.parametrize("method", ["normal_mixture", "empirical_bernstein"])
def test_bounds_hold_the_mean_at_every_look(method: str):
    """300 A/A streams of skewed, zero-inflated differences, each looked at after every user from 500 on."""
    generator, wrong = np.random.default_rng(5), 0
    for _ in range(300):
        values = [
            np.where(generator.random(1_500) < 0.7, 0.0, generator.beta(0.6, 2, 1_500)) for _ in range(2)
        ]
        bounds = anytime_bounds(values[0] - values[1], method=method, alpha=0.05, n_min=500, v_opt=500)
        wrong += bool(((bounds[:, 0] > 0) | (bounds[:, 1] < 0)).any())
    assert wrong / 300 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_bounds_of_the_bernstein_sequence_cover_a_shift():
    generator = np.random.default_rng(6)
    bounds = anytime_bounds(
        generator.uniform(-0.2, 0.4, 4_000), method="empirical_bernstein", alpha=0.05, n_min=100, v_opt=1
    )
    assert (bounds[99:, 0] < 0.1).all()
    assert (bounds[99:, 1] > 0.1).all()
    assert bounds[-1, 0] > 0


def test_a_value_outside_the_unit_interval_is_named():
    with pytest.raises(ValueError, match=r"value 1 is -0\.5"):
        sequential.empirical_bernstein(np.array([0.5, -0.5]))
