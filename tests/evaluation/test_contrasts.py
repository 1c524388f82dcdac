"""All comparisons of a replay: which are made, against whom, and corrected for their number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.evaluation.contrasts import adjusted_p, contrast
from components.evaluation.replay import compare, score_replay
from components.evaluation.slices import standard_slices
from components.evaluation.trial import Trial
from tests.evaluation.judging import PROFILE, judge


def test_compare_is_what_evaluate_reports(world):
    plan, lists = world
    result = judge(plan, lists, "better", "good")
    alone = compare(score_replay(plan, lists), "better", "good", resamples=2_000)
    among = next(c for c in result.comparisons if (c.baseline, c.metric) == ("good", "ndcg@10"))
    assert (alone.delta, alone.n) == (among.delta, among.n)
    assert (alone.lower, alone.upper) == pytest.approx((among.lower, among.upper), abs=1e-6)


def test_slices_are_compared_with_the_champion_alone(world):
    plan, lists = world
    scores = score_replay(plan, lists, slices=standard_slices(plan))
    trial = Trial(challenger="better", champion="good", profile=PROFILE)
    found = contrast(scores, trial)
    assert found.against == "good"
    assert {c.baseline for c in found.slices} == {"good"}
    assert {c.baseline for c in found.whole} == {"good", "popularity", "recent_popularity", "bad"}
    assert found.of("ndcg@10") is found.whole[0]
    first = contrast(scores, replace(trial, champion=None))
    assert first.against == "popularity"
    assert {c.baseline for c in first.slices} == {*lists} - {"better"}


def test_corrections_are_made_against_the_one_arm_that_matters(world):
    """Holm over the two secondaries, Benjamini-Hochberg over the slices of the primary; never below p itself."""
    plan, lists = world
    trial = Trial(challenger="better", champion="good", profile=PROFILE)
    found = contrast(score_replay(plan, lists, slices=standard_slices(plan)), trial)
    p = {f"{c.metric} of {c.slice} against {c.baseline}": c.p for c in found.every if c.n}
    adjusted = adjusted_p(found, trial)
    assert {"hr@10 of all against good", "mrr@10 of all against good"} <= adjusted.keys()
    assert not any("bad" in name or name.startswith("ndcg@10 of all") for name in adjusted)
    assert all(value >= p[name] for name, value in adjusted.items())
