"""What no replay should be given: a defined outcome each, and never a pass."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from components.evaluation.alpha_spending import Attempt
from components.evaluation.canonical import ListError, order_by_score
from components.evaluation.gate import Outcome
from components.evaluation.plan import EmptyWindow, ReplayPlan
from components.evaluation.profile import small
from components.evaluation.replay import ReplayResult, score_replay
from tests.evaluation import judging
from tests.evaluation.worlds import CUT, busy_world, lists_with_hits, plan_of

BASELINES = ("popularity", "recent_popularity", "random")


def judge(
    plan: ReplayPlan, lists: dict[str, np.ndarray], *, champion: str | None = None, **more
) -> ReplayResult:
    """By the shipped profile, with nothing measured and no artifact."""
    nothing = {"profile": small(), "digests": {}, "latency": None}
    return judging.judge(plan, lists, "new", champion, **(nothing | more))


def same_for_all(plan: ReplayPlan, top: np.ndarray) -> dict[str, np.ndarray]:
    wide = np.full((len(plan), 50), -1)
    wide[:, : len(top)] = top
    return dict.fromkeys(("new", *BASELINES), wide)


@pytest.mark.parametrize(
    "rows",
    [
        [("a", "x", 5.0)],  # nobody has a history: zero users
        [("a", "x", -9.0), ("a", "y", 5.0)],  # one user
        [("a", "x", -9.0), ("a", "x", 5.0), ("b", "x", -9.0), ("b", "x", 6.0)],  # repeats only: no positives
    ],
    ids=["zero users", "one user", "no positives"],
)
def test_windows_that_say_nothing_are_invalid(rows):
    plan = plan_of(rows)
    result = judge(plan, same_for_all(plan, np.arange(len(plan.catalogue))))
    assert result.outcome is Outcome.INVALID
    assert f"{len(plan.users)} users are scored" in result.reasons[0]
    json.dumps(result.to_dict(), allow_nan=False)
    assert len(result.metrics_table()) == 4


def test_a_window_with_no_events_names_itself():
    with pytest.raises(EmptyWindow, match=r"no event in \[2024-01-01"):
        plan_of([("a", "x", -9.0)])


@pytest.fixture(scope="module")
def world() -> tuple[ReplayPlan, dict[str, np.ndarray]]:
    plan, answers = busy_world()
    rates = {"new": 0.7, "old": 0.5} | dict.fromkeys(BASELINES, 0.2)
    lists = {
        arm: lists_with_hits(plan, answers, hit_rate=rate, seed=seed)
        for seed, (arm, rate) in enumerate(rates.items())
    }
    return plan, lists


def test_the_world_is_one_that_promotes(world):
    """Else nothing below would show that bad input is what stops it."""
    assert judge(*world).outcome is Outcome.PROMOTE


def test_scores_that_are_not_numbers_leave_empty_lists(world):
    plan, lists = world
    scores = np.random.default_rng(0).random(lists["new"].shape)
    scores[:, :] = np.nan
    result = judge(plan, {**lists, "new": order_by_score(lists["new"], scores)})
    assert result.outcome is Outcome.INVALID
    assert "100.0% of users got no list" in " ".join(result.reasons)


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_constant_score_is_invalid_under_any_ids(shuffled: bool):
    """Ids dealt by true popularity make ties beat the popularity that was counted; dealt anew they are chance.

    Either way the lists ascend by id, and that is what gives them away.
    """
    generator = np.random.default_rng(3)
    weights = 1 / np.arange(1, 61)
    names = generator.permutation(60) if shuffled else np.arange(60)
    rows = []
    for user in range(220):
        picked = generator.choice(60, size=6, replace=False, p=weights / weights.sum())
        rows += [(f"u{user}", f"i{names[item]:02d}", float(n - 3)) for n, item in enumerate(picked)]
    plan = plan_of(rows)
    popular = np.argsort(-plan.item_train_events, kind="stable")[:50]
    constant = np.tile(np.arange(50), (len(plan), 1))
    lists = dict.fromkeys(BASELINES, np.tile(popular, (len(plan), 1))) | {"new": constant}
    result = judge(plan, lists)
    assert result.outcome is Outcome.INVALID
    assert "100% of the challenger's neighbouring places are in the order of item ids" in result.reasons[0]
    lead = next(c for c in result.comparisons if (c.baseline, c.metric) == ("popularity", "ndcg@10"))
    assert (lead.delta > 0) is not shuffled  # so figures alone would not have told


def test_an_item_twice_counts_once(world):
    """Every place the right answer: one hit, the rest empty, and precision still divides by ten."""
    plan, _ = world
    answers = plan.truth_items[plan.truth_offsets[:-1]]
    scores = score_replay(
        plan, {"new": np.tile(answers[:, None], (1, 10))}, metrics=("precision@10", "ndcg@10")
    )
    single = plan.counts.positives == len(plan)
    assert single
    assert scores.of("new", "ndcg@10") == pytest.approx(1)
    assert scores.of("new", "precision@10") == pytest.approx(0.1)
    assert scores.dropped_places["new"] == 9 * len(plan)


def test_too_few_items_are_counted_and_unknown_ones_refused(world):
    plan, lists = world
    short = lists["new"].copy()
    short[:, 3:] = -1
    whole = score_replay(plan, {"new": lists["new"]}, metrics=("recall@10",)).of("new", "recall@10")
    found = score_replay(plan, {"new": short}, metrics=("recall@10",)).of("new", "recall@10")
    assert found.mean() < whole.mean()
    unknown = lists["new"].copy()
    unknown[7, 2] = len(plan.catalogue)
    with pytest.raises(ListError, match=f"new: list 7, place 2: item {len(plan.catalogue)} is outside"):
        judge(plan, {**lists, "new": unknown})
    with pytest.raises(ListError, match="whole-number"):
        judge(plan, {**lists, "new": lists["new"].astype(float)})


def test_a_leak_names_the_arm_and_the_fix(world):
    """Any arm: a baseline that has seen the answers is no baseline."""
    plan, lists = world
    for arm in lists:
        ends = dict.fromkeys(lists, CUT) | {arm: CUT + timedelta(days=2)}
        result = judge(plan, lists, champion="old", train_ends=ends)
        assert result.outcome is Outcome.INVALID
        (reason,) = result.verdict.reasons
        assert reason.startswith(f"{arm} was trained past the cut: on events up to 2024-01-03")
        assert "Begin the window at 2024-01-03" in reason


def test_a_window_whose_alpha_is_spent_promotes_nobody(world):
    result = judge(*world, attempt=Attempt(number=6, alpha_one_sided=0.0))
    assert result.outcome is Outcome.INVALID
    assert "comes too late" in result.reasons[0]
    assert not result.satisfiability.satisfiable
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize("missing", ["popularity", "recent_popularity"])
def test_a_baseline_that_was_not_asked_is_never_beaten(world, missing: str):
    plan, lists = world
    result = judge(plan, {arm: places for arm, places in lists.items() if arm != missing})
    assert result.outcome is Outcome.HOLD
    assert f"against {missing} was not measured" in " ".join(result.reasons)
