"""A whole replay: truth planted, sabotage, sameness, and what goes wrong in replays that flatter a model."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from components.evaluation.beyond import categories_of
from components.evaluation.canonical import ListError
from components.evaluation.comparison import Pairing, compare_pairs
from components.evaluation.gate import LatencyRatio, Outcome
from components.evaluation.latency import Latency, check_latency, measure_latency
from components.evaluation.plan import ReplayPlan
from components.evaluation.replay import canonical_for, compare, score_replay
from components.evaluation.slices import popularity_thirds, standard_slices
from tests.evaluation.judging import FAST, judge, planted
from tests.evaluation.worlds import CUT, busy_world, lists_with_hits, plan_of


@pytest.fixture(scope="module")
def world() -> tuple[ReplayPlan, dict[str, np.ndarray]]:
    """Arms whose hit rate is known: good .6, better .75, bad .2, the popularity arms .3."""
    return planted({"good": 0.6, "better": 0.75, "bad": 0.2, "popularity": 0.3, "recent_popularity": 0.3})


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


def test_latency_stands_beside_the_reproducible_part(world):
    slow = {"better": Latency(**{**FAST, "p95": 9.0}), "good": Latency(**FAST)}
    results = [judge(*world, "better", "good", latency=latency) for latency in (slow, None)]
    assert [result.outcome for result in results] == [Outcome.REJECT, Outcome.HOLD]
    assert [result.verdict.outcome for result in results] == [Outcome.PROMOTE] * 2
    assert len({result.digest for result in results}) == 1
    assert "not measured" in results[1].reasons[0]


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


def test_seen_items_are_filtered_on_both_sides():
    """a has x and gets y: a list [x, y] is judged as [y] with the filter, as it stands without."""
    rows = [("a", "x", -9.0), ("a", "y", 5.0), ("b", "y", -3.0)]
    shown = np.array([[0, 1]])
    assert canonical_for(plan_of(rows), shown).tolist() == [[1, -1]]
    assert canonical_for(plan_of(rows, filter_seen=False), shown).tolist() == [[0, 1]]


def test_items_that_were_no_candidates_are_dropped_and_stay_in_the_denominator():
    """z appears after T: nobody can hit it, and it still counts among the relevant."""
    plan = plan_of([("a", "x", -9.0), ("b", "y", -3.0), ("a", "y", 5.0), ("a", "z", 5.0)])
    scores = score_replay(plan, {"seer": np.array([[2, 1]])}, metrics=["recall@2", "mrr@2"])
    assert (scores.of("seer", "recall@2")[0], scores.of("seer", "mrr@2")[0]) == (0.5, 1.0)
    assert scores.dropped_places["seer"] == 1


def test_users_weigh_the_same_however_busy():
    """a is right once in three requests, b once in one: the mean over users is (1/3 + 1) / 2."""
    rows = [("a", "p", -5.0), ("b", "p", -5.0), ("c", "q", -4.0), ("c", "r", -3.0), ("c", "s", -2.0)]
    rows += [("a", "q", 1.0), ("a", "r", 2.0), ("a", "s", 3.0), ("b", "q", 1.0)]
    scores = score_replay(plan_of(rows), {"arm": np.full((4, 1), 1)}, metrics=["hr@1"])
    assert scores.of("arm", "hr@1").mean() == pytest.approx((1 / 3 + 1) / 2)


def test_a_constant_score_gains_nothing_from_the_order_of_item_ids():
    """Ties go by item id. With ids given by popularity a model that scores all alike looks like popularity;

    with the ids dealt anew it hits no more than chance would.
    """
    generator = np.random.default_rng(3)
    weights = 1 / np.arange(1, 61)
    weights /= weights.sum()
    rates = []
    for names in (np.arange(60), *(generator.permutation(60) for _ in range(6))):
        rows = []
        for user in range(150):
            picked = generator.choice(60, size=6, replace=False, p=weights)
            rows += [(f"u{user}", f"i{names[item]:02d}", float(n - 3)) for n, item in enumerate(picked)]
        plan = plan_of(rows)
        constant = np.tile(np.arange(10), (len(plan), 1))  # the first ids of the catalogue
        rates.append(
            score_replay(plan, {"constant": constant}, metrics=["hr@10"]).of("constant", "hr@10").mean()
        )
    assert rates[0] > 0.35
    assert np.mean(rates[1:]) < 0.25  # ten of sixty items: .17


def test_lists_that_do_not_fit_name_the_arm(world):
    plan, lists = world
    with pytest.raises(ListError, match="good have 10 places"):
        judge(plan, {**lists, "good": lists["good"][:, :10]}, "better", "good")
    with pytest.raises(ListError, match="lists of good are"):
        judge(plan, {**lists, "good": lists["good"][1:]}, "better", "good")
    unknown = lists["good"].copy()
    unknown[3, 0] = 10**6
    with pytest.raises(ListError, match="good: list 3, place 0: item 1000000"):
        judge(plan, {**lists, "good": unknown}, "better", "good")
    with pytest.raises(ListError, match="ghost has no lists"):
        judge(plan, lists, "better", "ghost")


def test_without_the_filter_repeats_and_novelties_are_judged_apart():
    """a has x, and takes x again and y: the list [x, z] finds the repeat, and not the novelty."""
    rows = [("a", "x", -9.0), ("b", "y", -8.0), ("b", "z", -8.0), ("a", "x", 5.0), ("a", "y", 5.0)]
    plan = plan_of(rows, filter_seen=False)
    parts = standard_slices(plan)
    assert [part.name for part in parts][-2:] == ["repeat", "novel"]
    scores = score_replay(plan, {"arm": np.array([[0, 2]])}, metrics=["recall@2"], slices=parts)
    assert [scores.of("arm", "recall@2", part)[0] for part in ("all", "repeat", "novel")] == [0.5, 1, 0]
    filtered = plan_of(rows)
    assert not {"repeat", "novel"} & {part.name for part in standard_slices(filtered)}
    assert not filtered.truth_is_repeat.any()


def test_figures_of_lists_with_categories():
    """x, y of category A, z of A and B. a has x; the list [y, z] differs in B alone: distance 1.

    Its mix is A 3/4, B 1/4, the history's A alone: KL = ln(1 / (.99 x 3/4 + .01)).
    """
    rows = [("a", "x", -9.0), ("b", "y", -8.0), ("b", "z", -8.0), ("a", "y", 5.0)]
    categories = np.array([[True, False], [True, False], [True, True]])
    scores = score_replay(
        plan_of(rows), {"arm": np.array([[1, 2]])}, metrics=["recall@10"], categories=categories
    )
    figures = scores.list_figures["arm"]
    assert figures["intra_list_distance@10"] == 1
    assert figures["calibration@10"] == pytest.approx(-np.log(0.99 * 0.75 + 0.01))


def test_categories_are_read_from_items():
    items = pd.DataFrame({"item_id": ["x", "z"], "categories": ["B|A", None]})
    found = categories_of(items, np.array(["x", "y", "z"], dtype=object))
    assert found is not None
    assert found.tolist() == [[True, True], [False, False], [False, False]]
    assert categories_of(items.iloc[1:], np.array(["z"], dtype=object)) is None


def test_each_third_of_popularity_has_its_recall(world):
    plan, lists = world
    scores = score_replay(plan, {"good": lists["good"]}, slices=standard_slices(plan))
    figures = scores.list_figures["good"]
    for part in ("head_items", "mid_items", "tail_items"):
        values = scores.of("good", "recall@10", part)
        assert figures[f"recall_{part}@10"] == pytest.approx(np.nanmean(values))


# --- slices, error rates, latency ----------------------------------------------------------------------


def test_slices_of_items_share_the_truth_between_them(world):
    plan, _ = world
    parts = standard_slices(plan)
    names = ["cold_users", "head_items", "mid_items", "tail_items", "cold_items"]
    assert [part.name for part in parts] == names
    kept = sum(len(part.relevant(plan).items) for part in parts[1:4])
    assert kept == plan.counts.positives - plan.counts.uncovered_positives


def test_promotions_by_chance_stay_within_alpha():
    """400 A/A replays, arms split from one model by noise on skewed values: .025 of them may look better.

    The 95 % binomial bound of the rate must hold .025 or lie below it.
    """
    generator, better = np.random.default_rng(17), 0
    for _ in range(400):
        base = np.where(generator.random(250) < 0.6, 0.0, generator.beta(1, 3, 250))
        values = [np.clip(base + generator.normal(0, 0.05, 250) * (base > 0), 0, 1) for _ in range(2)]
        pairing = Pairing(
            challenger="a", baseline="b", metric="ndcg@10", slice="all",
            challenger_values=values[0], baseline_values=values[1],
        )  # fmt: skip
        better += compare_pairs([pairing], resamples=2_000)[0].lower > 0
    assert stats.binomtest(better, 400).proportion_ci().low <= 0.025
    assert better > 0


def test_compare_is_what_evaluate_reports(world):
    plan, lists = world
    result = judge(plan, lists, "better", "good")
    alone = compare(score_replay(plan, lists), "better", "good", resamples=2_000)
    among = next(c for c in result.comparisons if (c.baseline, c.metric) == ("good", "ndcg@10"))
    assert (alone.delta, alone.n) == (among.delta, among.n)
    assert (alone.lower, alone.upper) == pytest.approx((among.lower, among.upper), abs=1e-6)


def test_metrics_table_holds_every_arm_with_its_interval(world):
    table = judge(*world, "better", "good").metrics_table().set_index("arm")
    assert list(table.index) == ["better", "good", "popularity", "recent_popularity", "bad"]
    assert (table["ndcg@10 lower"] < table["ndcg@10"]).all()
    assert (table["coverage@10"] == 1).all()


def test_latency_is_interleaved_and_the_warm_up_thrown_away():
    now, asked = [0.0], []

    def arm(name: str, cost: float):
        def answer(requests: slice) -> None:
            asked.append((name, requests.start))
            now[0] += cost * (100 if len(asked) <= 4 else 1)

        return answer

    found = measure_latency(
        {"slow": arm("slow", 0.004), "fast": arm("fast", 0.002)},
        num_requests=6, batch_size=2, batches=9, warm_up=2, clock=lambda: now[0],
    )  # fmt: skip
    assert asked[:4] == [("fast", 0), ("slow", 0), ("slow", 2), ("fast", 2)]
    assert (found["slow"].p95, found["fast"].p50) == pytest.approx((4.0, 2.0))
    assert not check_latency(found, "slow", "fast", LatencyRatio()).is_passed
    assert check_latency(found, "fast", "slow", LatencyRatio()).is_passed


def test_head_mid_and_tail_each_hold_a_third_of_the_train_events():
    """Events before T: p 4, q 3, r 2, s 2, t 1 of 12. p begins at 0, q at 4, r at 7, s at 9, t at 11.

    Thirds end at 4 and 8: p is head, q and r are mid, s and t are tail; v, never seen before T, is tail.
    """
    counts = {"p": 4, "q": 3, "r": 2, "s": 2, "t": 1}
    rows = [(f"u{n}", item, -9.0) for item, count in counts.items() for n in range(count)]
    plan = plan_of([*rows, ("u0", "v", 5.0)])
    assert popularity_thirds(plan).tolist() == [0, 1, 1, 2, 2, 2]
