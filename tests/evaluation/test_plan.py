"""What a replay asks: histories strictly before, truth without repeats, nothing from the future."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation.plan import EmptyWindow, ReplayPlan, plan_replay
from tests.evaluation.worlds import CUT, END, events, items_of, plan_of


def _requests(plan: ReplayPlan) -> list[tuple[str, list[str], set[str]]]:
    """(user, history, truth) of every request, in ids."""
    return [
        (
            str(plan.users[plan.user[r]]),
            plan.catalogue[plan.items[plan.start[r] : plan.end[r]]].tolist(),
            set(plan.catalogue[plan.truth_items[plan.truth_offsets[r] : plan.truth_offsets[r + 1]]]),
        )
        for r in range(len(plan))
    ]


def test_worked_example():
    """a knows x; in the window comes y with x again (one second: x is a repeat), then z.

    b is new: its first group has no history and is not asked for, the second is.
    """
    plan = plan_of(
        [("a", "x", -9), ("a", "y", 5), ("a", "x", 5), ("a", "z", 7), ("b", "x", 3), ("b", "y", 4)]
    )
    assert _requests(plan) == [("a", ["x"], {"y"}), ("a", ["x", "x", "y"], {"z"}), ("b", ["x"], {"y"})]
    assert (plan.counts.repeats_removed, plan.counts.groups_without_history) == (1, 1)
    assert (plan.counts.positives, plan.counts.uncovered_positives) == (3, 3)  # only x had an event before T


def test_without_the_seen_filter_repeats_stay_in_the_truth():
    plan = plan_of([("a", "x", -9), ("a", "y", 5), ("a", "x", 5)], filter_seen=False)
    assert _requests(plan) == [("a", ["x"], {"x", "y"})]


def test_batch_mode_asks_once_a_user_from_the_history_at_the_cut():
    plan = plan_of([("a", "x", -9), ("a", "y", 5), ("a", "z", 7), ("b", "x", 3), ("b", "y", 4)], mode="batch")
    assert _requests(plan) == [("a", ["x"], {"y", "z"})]
    assert plan.counts.groups_without_history == 1


def test_a_cut_inside_a_second_keeps_that_second_out_of_the_history():
    train, window = events([("a", "w", -60), ("a", "x", 0.2)]), events([("a", "y", 0.8)])
    cut = CUT + timedelta(seconds=0.5)
    plan = plan_replay(train, window, items_of(train, window), cut=cut, end=END)
    assert _requests(plan) == [("a", ["w"], {"y"})]


def test_at_most_so_many_groups_a_user():
    rows = [
        ("a", "x", -9.0),
        *(("a", f"y{n}", float(n)) for n in range(8)),
        ("b", "x", -1.0),
        ("b", "y1", 3.0),
    ]
    plan = plan_of(rows, max_groups_per_user=3)
    assert [user for user, _, _ in _requests(plan)] == ["a", "a", "a", "b"]
    assert plan.counts.groups_beyond_limit == 5


def test_candidates_are_the_items_that_were_there_at_the_cut():
    """old is available before T, new after it; seen has no date but an event before T, late only after."""
    train, window = events([("a", "seen", -9)]), events([("a", "late", 5)])
    available = pd.to_datetime(["2023-01-01", "2024-02-01", None, None], utc=True)
    items = pd.DataFrame({"item_id": ["old", "new", "seen", "late"], "available_at": available})
    plan = plan_replay(train, window, items, cut=CUT, end=END)
    assert dict(zip(plan.catalogue, plan.candidates.tolist(), strict=True)) == {
        "late": False, "new": False, "old": True, "seen": True,
    }  # fmt: skip


def test_an_empty_window_is_an_error_that_says_so():
    train = events([("a", "x", -9)])
    with pytest.raises(EmptyWindow, match="no event"):
        plan_replay(train, train.iloc[:0], items_of(train), cut=CUT, end=END)


def test_order_of_the_input_does_not_matter():
    rows = [("b", "y", -3), ("a", "x", -9), ("a", "y", 5), ("a", "z", 5), ("b", "x", 7), ("a", "w", 9)]
    before, after = events(rows[:2]), events(rows[2:])
    items = items_of(before, after)
    first = plan_replay(before, after, items, cut=CUT, end=END)
    again = plan_replay(before.iloc[::-1], after.iloc[::-1], items.iloc[::-1], cut=CUT, end=END)
    assert first.digest == again.digest


streams = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("uvwxyz"), st.integers(-6, 6).map(float)),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=80)
@given(rows=streams, filter_seen=st.booleans(), limit=st.integers(1, 4))
def test_rolling_agrees_with_a_naive_twin(rows: list[tuple[str, str, float]], filter_seen: bool, limit: int):
    if all(second < 0 for _, _, second in rows):
        return
    plan = plan_of(rows, filter_seen=filter_seen, max_groups_per_user=limit)
    found = [(user, sorted(history), truth) for user, history, truth in _requests(plan)]
    assert found == _naive(rows, filter_seen, limit)
    for r in range(len(plan)):
        assert (plan.times[plan.start[r] : plan.end[r]] < plan.request_time[r]).all()
        everything = np.arange(len(plan.catalogue))[None, :].repeat(len(plan), axis=0)
        history = set(plan.items[plan.start[r] : plan.end[r]].tolist())
        assert set(np.flatnonzero(plan.seen(everything)[r]).tolist()) == history


def _naive(
    rows: list[tuple[str, str, float]], filter_seen: bool, limit: int
) -> list[tuple[str, list[str], set[str]]]:
    requests, asked = [], defaultdict(int)
    for user in sorted({user for user, _, _ in rows}):
        for moment in sorted({s for u, _, s in rows if u == user and s >= 0}):
            history = sorted(item for u, item, s in rows if u == user and s < moment)
            truth = {item for u, item, s in rows if u == user and s == moment}
            truth -= set(history) if filter_seen else set()
            if history and truth and asked[user] < limit:
                asked[user] += 1
                requests.append((user, history, truth))
    return requests


def typed(rows: list[tuple[str, str, float, str]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events before and after the cut, of the types that the rows say."""
    told = [events([row[:3]]).assign(event_id=f"e{n}", event_type=row[3]) for n, row in enumerate(rows)]
    before, after = ([e for e, row in zip(told, rows, strict=True) if (row[2] < 0) is is_before]
                     for is_before in (True, False))  # fmt: skip
    return pd.concat(before, ignore_index=True), pd.concat(after, ignore_index=True)


VIEWED = [
    ("a", "x", -9.0, "view"), ("a", "y", 5.0, "view"), ("a", "z", 6.0, "buy"), ("a", "y", 7.0, "buy"),
    ("a", "w", 8.0, "view"), ("a", "v", 9.0, "view"), ("a", "v", 9.0, "buy"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("filter_seen", "bought_later"), [(True, []), (False, [("a", ["x", "y", "z"], {"y"})])]
)
def test_what_weighs_nothing_is_history_and_no_truth(filter_seen: bool, bought_later: list[object]):
    """y was viewed before it is bought: a repeat. v is viewed and bought in one second: it counts once, as bought."""
    train, window = typed(VIEWED)
    items = items_of(train, window)
    plan = plan_replay(
        train,
        window,
        items,
        cut=CUT,
        end=END,
        filter_seen=filter_seen,
        event_weights={"view": 0.0, "buy": 3.0},
    )
    assert _requests(plan) == [
        ("a", ["x", "y"], {"z"}), *bought_later, ("a", ["x", "y", "z", "y", "w"], {"v"}),
    ]  # fmt: skip
    assert plan.counts.repeats_removed == (1 if filter_seen else 0)
    assert plan.counts.window_events == 6
    assert plan.event_weights == "buy=3,view=0"


def test_a_weight_above_0_leaves_the_truth_and_none_leaves_the_digest():
    train, window = typed(VIEWED)
    items = items_of(train, window)
    plain, weighted, again = (
        plan_replay(train, window, items, cut=CUT, end=END, event_weights=weights)
        for weights in ({}, {"view": 0.2}, {"view": 1.0})
    )
    assert _requests(plain) == _requests(weighted)
    without_types = [frame.drop(columns="event_type") for frame in (train, window)]
    assert plan_replay(*without_types, items, cut=CUT, end=END).digest == plain.digest == again.digest
    assert weighted.digest != plain.digest


def test_a_window_of_context_alone_is_refused_with_the_types_that_it_has():
    train, window = typed(VIEWED)
    with pytest.raises(EmptyWindow, match=r"weighs 0: buy 3 \(weight 0\), view 3 \(weight 0\)"):
        plan_replay(
            train, window, items_of(train, window), cut=CUT, end=END, event_weights={"view": 0.0, "buy": 0.0}
        )
