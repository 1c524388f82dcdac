"""Thresholds of weights: lowered where a few carry all, whatever they brought."""

from __future__ import annotations

import numpy as np

from components.evaluation.counterfactual import estimators
from components.evaluation.counterfactual.threshold import choose_threshold


def test_weights_without_a_tail_are_left_alone() -> None:
    weight = np.random.default_rng(0).uniform(0.5, 1.5, 5_000)
    reward = (np.arange(5_000) % 3 == 0).astype(float)
    found = choose_threshold(estimators.clipped, weight, reward, largest=0.5)
    assert found > 1.4


def test_a_lonely_heavy_weight_is_lowered_whatever_it_brought() -> None:
    weight = np.append(np.ones(2_000), 800.0)
    reward = np.tile([0.0, 1.0, 0.0], 667)
    for last in (0.0, 1.0):
        reward[-1] = last
        found = choose_threshold(estimators.clipped, weight, reward, largest=0.5)
        assert 1 <= found < 400


def test_weights_of_zero_leave_nothing_to_choose() -> None:
    assert choose_threshold(estimators.clipped, np.zeros(3), np.ones(3), largest=1.0) == 1.0
