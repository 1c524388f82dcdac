"""Means of arms: over users, with an interval that keeps to the metric's range."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from components.evaluation.arm_means import arm_means
from components.evaluation.profile import Primary
from components.evaluation.scores import ReplayScores

PRIMARY = Primary(resamples=2_000)


def scores_of(**arms: np.ndarray) -> ReplayScores:
    num_users = len(next(iter(arms.values())))
    return ReplayScores(
        users=np.arange(num_users), arms=tuple(sorted(arms)), metrics=("hr@10",), slices=("all",),
        values={(arm, "all", "hr@10"): values for arm, values in arms.items()},
        list_figures={}, without_list={}, dropped_places={},
    )  # fmt: skip


def test_means_stand_in_the_order_asked_for_and_never_leave_the_range():
    """One hit among 50 users: Student's interval would begin below 0, the bootstrap's does not."""
    rare = np.zeros(50)
    rare[3] = 1
    always, seldom = arm_means(scores_of(b=rare, a=np.ones(50)), ["a", "b"], PRIMARY)
    assert (always.arm, always.mean, always.lower, always.upper) == ("a", 1, 1, 1)
    assert (seldom.arm, seldom.n, seldom.mean) == ("b", 50, pytest.approx(0.02))
    assert 0 <= seldom.lower < 0.02 < seldom.upper < 0.12


def test_a_smaller_alpha_is_a_wider_interval():
    values = np.random.default_rng(0).random(200)
    wide, wider = (
        arm_means(scores_of(a=values), ["a"], replace(PRIMARY, resamples=20_000, alpha_one_sided=alpha))[0]
        for alpha in (0.025, 0.0025)
    )
    assert wider.lower < wide.lower < wide.mean < wide.upper < wider.upper
    # 95 %, so 1.96 standard errors to either side
    assert wide.upper - wide.lower == pytest.approx(2 * 1.96 * values.std() / math.sqrt(200), rel=0.05)


def test_no_users_is_nan():
    (found,) = arm_means(scores_of(a=np.zeros(0)), ["a"], PRIMARY)
    assert found.n == 0
    assert all(math.isnan(value) for value in (found.mean, found.lower, found.upper))
