"""A whole replay: truth planted, sabotage, sameness, and what goes wrong in replays that flatter a model."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from components.evaluation.gate import Outcome
from components.evaluation.replay import score_replay
from tests.evaluation.judging import judge
from tests.evaluation.worlds import CUT, busy_world, lists_with_hits, plan_of


def test_a_truly_better_challenger_is_promoted(world):
    result = judge(*world, "better", "good")
    assert result.outcome is Outcome.PROMOTE, result.reasons
    delta = next(c for c in result.comparisons if (c.baseline, c.metric) == ("good", "hr@10")).delta
    assert delta == pytest.approx(0.15, abs=0.05)  # planted: .75 - .60


def test_a_sabotaged_challenger_is_rejected(world):
    result = judge(*world, "bad", "good")
    assert result.outcome is Outcome.REJECT
    assert any("worse than good" in reason for reason in result.reasons)


def test_the_same_artifact_is_held(world):
    plan, lists = world
    lists = {**lists, "again": lists["good"]}
    result = judge(plan, lists, "again", "good", digests={"again": "same", "good": "same"})
    assert result.outcome is Outcome.HOLD
    assert "nothing to replace" in result.reasons[0]


def test_equal_lists_of_another_artifact_are_held(world):
    plan, lists = world
    result = judge(plan, {**lists, "again": lists["good"]}, "again", "good")
    assert result.outcome is Outcome.HOLD
    found = next(c for c in result.comparisons if (c.baseline, c.metric) == ("good", "ndcg@10"))
    assert (found.delta, found.lower, found.upper, found.p) == (0, 0, 0, 1)


def test_the_first_champion_must_beat_both_popularity_arms(world):
    assert judge(*world, "good", None).outcome is Outcome.PROMOTE
    assert judge(*world, "bad", None).outcome is Outcome.REJECT


def test_two_runs_give_the_same_bytes(world):
    plan, lists = world
    turned = dict(reversed(lists.items()))
    first = json.dumps(judge(plan, lists, "better", "good").to_dict(), allow_nan=False)
    assert first == json.dumps(judge(plan, turned, "better", "good").to_dict(), allow_nan=False)
    plan_again, answers = busy_world()
    assert plan_again.digest == plan.digest
    assert (answers == plan.truth_items[plan.truth_offsets[:-1]]).all()


@pytest.mark.parametrize(
    "train_ends", [{}, {"better": CUT}, {"better": CUT, "good": CUT + timedelta(seconds=1)}]
)
def test_an_arm_trained_past_the_cut_or_nobody_knows_when_is_invalid(world, train_ends):
    assert judge(*world, "better", "good", train_ends=train_ends).outcome is Outcome.INVALID


def test_too_small_a_window_is_invalid():
    plan, answers = busy_world(num_users=40)
    lists = {arm: lists_with_hits(plan, answers, hit_rate=0.5, seed=3) for arm in ("new", "popularity")}
    result = judge(plan, lists, "new", None)
    assert result.outcome is Outcome.INVALID
    assert not result.satisfiability.satisfiable


def test_a_window_without_requests_is_invalid():
    plan = plan_of([("a", "x", 5)])
    lists = {arm: np.zeros((0, 50), dtype=int) for arm in ("new", "popularity")}
    result = judge(plan, lists, "new", None)
    assert result.outcome is Outcome.INVALID
    json.dumps(result.to_dict(), allow_nan=False)


# --- what flatters a model -----------------------------------------------------------------------------


def test_a_user_without_a_list_scores_zero_and_too_many_are_invalid(world):
    plan, lists = world
    silent = lists["better"].copy()
    silent[plan.user < 8] = -1  # 8 of 260 users: 3 %
    scores = score_replay(plan, {"silent": silent, "better": lists["better"]})
    assert (scores.of("silent", "ndcg@10")[:8] == 0).all()
    assert len(scores.of("silent", "ndcg@10")) == len(plan.users)
    result = judge(plan, {**lists, "silent": silent}, "silent", "good")
    assert result.outcome is Outcome.INVALID
    assert "3.1%" in result.reasons[0]
