"""The reward model: cross-fitted, smoothed, and honest about what refitting would move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.evaluation.counterfactual.reward_model import fit_reward_model, smoothed_means
from tests.evaluation.counterfactual.worlds import draw_log, make_world


def test_model_error_is_what_refitting_does() -> None:
    """DM refitted with one round's weight raised by a thousandth, against its first-order term."""
    log = draw_log(make_world(), 300, np.random.default_rng(4))
    model = fit_reward_model(log, log.policy, folds=3, smoothing=20.0)
    error = model.error(np.zeros(300))
    step = 1e-3

    def refitted(extra: int | None) -> float:
        weight = np.ones(300)
        if extra is not None:
            weight[extra] += step
        value = np.empty(300)
        for f in range(3):
            outside = model.fold != f
            counts = np.bincount(log.action[outside], weight[outside], minlength=4)
            sums = np.bincount(log.action[outside], (weight * log.reward)[outside], minlength=4)
            means = (sums + 20.0 * sums.sum() / counts.sum()) / (counts + 20.0)
            value[~outside] = log.policy.normalised[log.policy.row[~outside]] @ means
        return float(value.mean())  # the rounds themselves stay as they are: the model alone moves

    moved = [(refitted(i) - refitted(None)) / step * 300 for i in (0, 7, 150, 299)]
    raw = error[[0, 7, 150, 299]]
    np.testing.assert_allclose(np.diff(raw), np.diff(moved), rtol=1e-2, atol=1e-4)


def test_smoothed_means_worked_example() -> None:
    """Overall mean .5; an action with rewards 1 1 1: (3 + 2 · .5) / (3 + 2) = .8."""
    log = draw_log(make_world(), 6, np.random.default_rng(0))
    log = replace(
        log, action=np.array([0, 0, 0, 1, 1, 1]), reward=np.array([1.0, 1, 1, 0, 0, 0]), policy=None
    )
    np.testing.assert_allclose(smoothed_means(log, smoothing=2.0)[:2], [0.8, 0.2])


def test_too_few_clusters_for_the_folds() -> None:
    log = draw_log(make_world(), 6, np.random.default_rng(0))
    log = replace(log, cluster=np.array([0, 0, 0, 1, 1, 1]))
    with pytest.raises(ValueError, match="2 clusters cannot be cut into 3 folds"):
        fit_reward_model(log, log.policy, folds=3)


def test_predictions_come_from_other_clusters() -> None:
    """Rewards of one fold changed: its own predictions stay."""
    log = draw_log(make_world(), 90, np.random.default_rng(0))
    model = fit_reward_model(log, log.policy)
    mine = model.fold == 1
    changed = fit_reward_model(replace(log, reward=np.where(mine, 9.0, log.reward)), log.policy)
    np.testing.assert_array_equal(changed.q[mine], model.q[mine])
    assert (changed.q[~mine] != model.q[~mine]).all()
