"""An estimate's interval, and where there is none."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from components.evaluation.counterfactual.evaluation import evaluate_logged
from components.evaluation.counterfactual.profile import small
from tests.evaluation.counterfactual.worlds import draw_log, make_world

PROFILE = replace(small(), resamples=2_000)


def test_replay_without_a_reward_has_no_interval() -> None:
    """A resample of rounds that all brought 0 brings 0: that is no certainty."""
    world = make_world(lift=1.0)
    log = draw_log(replace(world, logging=np.full((3, 4), 0.25)), 3_000, np.random.default_rng(0))
    best = (log.action == 0).astype(float)
    silent = replace(log, target=best, policy=None, reward=np.where(log.action == 0, 0.0, log.reward))
    replay = evaluate_logged(silent, PROFILE).estimates[0]
    assert replay.value == 0
    assert math.isnan(replay.lower)
    assert "the same reward" in replay.note
