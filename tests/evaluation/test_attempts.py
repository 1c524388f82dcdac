"""A verdict that is asked for again: another challenger, another look, a champion that had to be refitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.evaluation.alpha_spending import Attempt
from components.evaluation.gate import Outcome
from components.evaluation.plan import ReplayPlan
from components.evaluation.profile import Sequential
from tests.evaluation.judging import PROFILE, judge, planted


@pytest.fixture(scope="module")
def world() -> tuple[ReplayPlan, dict[str, np.ndarray]]:
    """Arms whose hit rate is known: good .6, better .75, bad .2, the popularity arms .3."""
    return planted({"good": 0.6, "better": 0.75, "bad": 0.2, "popularity": 0.3, "recent_popularity": 0.3})


def test_a_refit_champion_is_told_of(world):
    kinds = ("registry artifact", "refit at the cut")
    told = [judge(*world, "better", "good", compared=kind) for kind in kinds]
    assert [result.compared for result in told] == list(kinds)
    assert "its recipe was compared" not in " ".join(told[0].reasons)
    assert "its recipe was compared, refitted at the cut" in told[1].reasons[-1]


def test_a_later_challenger_of_a_window_is_judged_at_its_share(world):
    """Wider intervals, the same differences, and resamples enough for the thinner tail."""
    first, fifth = (
        judge(
            *world,
            "better",
            "good",
            attempt=Attempt(number=number, alpha_one_sided=PROFILE.alpha_shares[number - 1]),
        )
        for number in (1, 5)
    )
    wide, wider = (next(c for c in r.comparisons if c.metric == "ndcg@10") for r in (first, fifth))
    assert wide.delta == wider.delta
    assert wider.lower < wide.lower < wide.upper < wider.upper
    assert wider.mde > wide.mde
    assert fifth.alpha_one_sided == PROFILE.alpha_shares[4]
    assert first.digest != fifth.digest
    assert "challenger 5 on this window" in fifth.reasons[-1]


@pytest.fixture(scope="module")
def many() -> tuple[ReplayPlan, dict[str, np.ndarray]]:
    """700 users, of whom a sequential test may look at 500."""
    rates = {"better": 0.75, "good": 0.6, "again": 0.6, "popularity": 0.3, "recent_popularity": 0.3}
    return planted(rates, num_users=700)


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


def test_the_rehearsal_is_reported_and_weaker(many):
    """Users dealt by hash; the paired contrast of all of them sees less than half the difference it would."""
    found = judge(*many, "better", "good").rehearsal
    assert found is not None
    assert sum(found.counts) == 700
    assert found.is_valid
    assert found.paired_mde < found.unpaired_mde
    again = judge(*many, "again", "good").rehearsal
    assert again is not None
    assert again.salt != found.salt  # another experiment deals anew
