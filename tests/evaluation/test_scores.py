"""What lists are worth to each user, and what the lists are like."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.replay import canonical_for, score_replay
from components.evaluation.slices import standard_slices
from tests.evaluation.worlds import plan_of


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


def test_each_third_of_popularity_has_its_recall(world):
    plan, lists = world
    scores = score_replay(plan, {"good": lists["good"]}, slices=standard_slices(plan))
    figures = scores.list_figures["good"]
    for part in ("head_items", "mid_items", "tail_items"):
        values = scores.of("good", "recall@10", part)
        assert figures[f"recall_{part}@10"] == pytest.approx(np.nanmean(values))
