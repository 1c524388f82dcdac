"""Which estimators a log defines, and why the others are not there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.evaluation.counterfactual.profile import small
from components.evaluation.counterfactual.suite import LOWERED, ORDER, estimator_suite
from tests.evaluation.counterfactual.worlds import draw_log, make_world


def test_a_uniform_log_with_a_known_policy_defines_them_all():
    log = draw_log(make_world(), 2_000, np.random.default_rng(0))
    suite = estimator_suite(log, small(), is_uniform=True)
    assert set(suite.terms) == set(ORDER)
    assert set(suite.thresholds) == {"clipped_ips", *LOWERED}
    assert "rounds match" in suite.notes["replay"]
    # a reward model that others' rounds would have moved widens what leans on it, and leaves its value
    for name in ("dm", "dr", "sndr", *LOWERED):
        error = suite.terms[name].model_error
        assert error is not None
        assert abs(error.mean()) < 1e-9


def test_what_is_not_defined_has_a_note():
    log = draw_log(make_world(), 2_000, np.random.default_rng(0), knows_policy=False)
    suite = estimator_suite(log, small(), is_uniform=False)
    assert set(suite.terms) == {"ips", "snips", "clipped_ips"}
    assert set(suite.notes) == set(ORDER) - set(suite.terms)


def test_fewer_users_than_folds_leave_the_model_out():
    log = draw_log(make_world(), 600, np.random.default_rng(0))
    two = replace(log, cluster=np.arange(600) % 2)
    notes = estimator_suite(two, small(), is_uniform=False).notes
    assert notes["dr"] == "2 users or slates cannot be cut into 3 folds"
