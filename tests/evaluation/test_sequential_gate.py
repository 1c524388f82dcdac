"""The gate that looks again and again: its bounds are the primary's where enabled, and told only where not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.evaluation.gate import Outcome
from components.evaluation.profile import Sequential
from tests.evaluation.judging import PROFILE, judge


@pytest.mark.parametrize("method", ["normal_mixture", "empirical_bernstein"])
def test_the_sequential_test_is_the_primarys_where_it_is_enabled(many, method: str):
    profile = replace(PROFILE, sequential=Sequential(enabled=True, method=method))
    result = judge(*many, "better", "good", profile=profile)
    found = next(c for c in result.comparisons if (c.baseline, c.metric) == ("good", "ndcg@10"))
    fixed = next(
        c for c in judge(*many, "better", "good").comparisons if (c.baseline, c.metric) == ("good", "ndcg@10")
    )
    assert found.test == method
    assert found.lower < fixed.lower  # looking often has its price
    assert found.upper > fixed.upper
    assert result.sequential is not None
    assert result.sequential.decides
    assert (result.sequential.lower[-1], result.sequential.upper[-1]) == (found.lower, found.upper)
    assert (result.sequential.decided_at is not None) is (found.lower > 0)


def test_before_its_first_look_a_sequential_gate_holds(world):
    profile = replace(PROFILE, sequential=Sequential(enabled=True))
    result = judge(*world, "better", "good", profile=profile)
    assert result.outcome is Outcome.HOLD
    assert "at every look (normal mixture)" in result.reasons[0]
    assert not result.satisfiability.satisfiable


def test_the_path_is_told_and_decides_nothing_where_it_is_not_enabled(many):
    result = judge(*many, "better", "good")
    assert result.sequential is not None
    assert not result.sequential.decides
    assert result.sequential.users == 700
    assert {c.test for c in result.comparisons} == {"paired_user_bootstrap"}
