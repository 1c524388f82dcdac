"""A lead over one version as a check: told, not told, undefined. Whole verdicts stand beside what is judged."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from components.bandit.verdict import Lead, _leads
from components.evaluation.counterfactual.estimate import Estimate, undefined
from components.evaluation.counterfactual.profile import small
from components.evaluation.verdict import Check, Result

PROFILE = replace(small(), estimator="dr")


def lead_of(delta: float, *, num_versions: int = 2) -> Check:
    """By an estimate of standard error .1, its interval 1.96 of them to either side."""
    found: Estimate = replace(
        undefined("dr", ""), value=0.5, delta=delta, delta_se=0.1, delta_lower=delta - 0.196, delta_upper=delta + 0.196
    )  # fmt: skip
    lead = Lead(version="3", estimates=(found,))
    return _leads(lead, 0.4, "3", rounds=4_000, num_versions=num_versions, profile=PROFILE)


@pytest.mark.parametrize(
    ("delta", "result", "told"),
    [
        (
            0.20,
            Result.PASSED,
            "the bandit is better than version 3, the best single one: +0.2 [+0.004, +0.396]",
        ),
        (0.19, Result.UNPROVEN, "the bandit is not told from version 3, the best single one: +0.19"),
        (-0.30, Result.FAILED, "let that one answer everybody"),
        (math.nan, Result.UNPROVEN, "the lead over version 3, the best single one is undefined by dr"),
    ],
)
def test_what_is_told_of_a_lead(delta: float, result: Result, told: str):
    check = lead_of(delta)
    assert check.result is result
    assert told in check.reason


def test_the_luckiest_of_two_versions_is_not_told_better_as_soon_as_one_alone():
    """2.1 standard errors behind: beyond the 1.96 of one version, and not the 2.24 of the luckier of two."""
    assert lead_of(-0.21, num_versions=1).result is Result.FAILED
    assert lead_of(-0.21).result is Result.UNPROVEN
    assert "one of 2 versions is so far ahead by luck" in lead_of(-0.21).reason
