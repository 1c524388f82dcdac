"""The second pass: a cold item can be hit once its content is known, and not before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.evaluation.canonical import ListError
from components.evaluation.cold import ColdPass, plan_cold
from components.evaluation.plan import ReplayPlan, plan_replay
from components.evaluation.scores import score_replay
from components.evaluation.slices import COLD_ITEMS, standard_slices
from tests.evaluation.worlds import CUT, END, events, plan_of

# a takes the new items n (known since second 3) and m (since its own first event, second 8)
ROWS = [
    ("a", "x", -9.0),
    ("b", "y", -8.0),
    ("a", "n", 5.0),
    ("a", "m", 8.0),
    ("b", "m", 9.0),
    ("b", "n", 2.0),
]
KNOWN = {"x": -9.0, "y": -8.0, "n": 3.0, "m": 8.0}
METRICS = ("recall@10", "ndcg@10")


def known_items(since: dict[str, float]) -> pd.DataFrame:
    seconds = [CUT.timestamp() + second for second in since.values()]
    available = pd.to_datetime(seconds, unit="s", utc=True)
    return pd.DataFrame({"item_id": list(since), "available_at": available})


@pytest.fixture
def plan() -> ReplayPlan:
    return plan_of(ROWS)


@pytest.fixture
def cold(plan: ReplayPlan) -> ColdPass:
    found = plan_cold(plan, known_items(KNOWN))
    assert found is not None
    return found


def at(plan: ReplayPlan, *items: str) -> list[int]:
    return [plan.catalogue.tolist().index(item) for item in items]


def test_only_what_was_known_strictly_before_is_asked_for(plan: ReplayPlan, cold: ColdPass):
    """a's n at 5 (known at 3) and b's m at 9 (known at 8) count; b's n at 2 came before its content, and the

    first event of m, at 8, does not announce itself.
    """
    asked = [
        (plan.users[plan.user[request]], plan.catalogue[item])
        for request, item in zip(cold.requests, cold.relevant.items, strict=True)
    ]
    assert asked == [("a", "n"), ("b", "m")]
    assert not plan.candidates[at(plan, "n", "m")].any()
    assert cold.candidates.all()


def test_an_item_that_joins_later_is_dropped_and_the_rest_moves_up(plan: ReplayPlan, cold: ColdPass):
    """For a at second 5, m has not joined and x is seen: of [m, x, n, y] there stay n and y."""
    lists = np.array([at(plan, "m", "x", "n", "y")] * 2)
    judged = cold.canonical(plan, lists)
    assert judged[0].tolist() == [*at(plan, "n", "y"), -1, -1]
    assert judged[1].tolist() == [*at(plan, "m", "x"), -1, -1]  # b has had n (at 2) and y
    assert cold.list_length(10) == 12


def test_arms_without_a_vector_score_zero_on_the_slice(plan: ReplayPlan, cold: ColdPass):
    first_pass = np.full((len(plan), 10), -1)
    scores = score_replay(
        plan, {"content": first_pass, "popularity": first_pass}, metrics=METRICS,
        slices=standard_slices(plan), cold=cold, cold_lists={"content": np.array([at(plan, "n", "m")] * 2)},
    )  # fmt: skip
    assert scores.of("content", "recall@10", COLD_ITEMS).tolist() == [1, 1]
    assert scores.of("content", "ndcg@10", COLD_ITEMS).tolist() == [1, 1]  # n has been dropped for b: seen
    assert scores.of("popularity", "recall@10", COLD_ITEMS).tolist() == [0, 0]
    assert (scores.of("content", "recall@10") == 0).all()  # the first pass is untouched


def test_without_a_second_pass_the_slice_is_that_of_cold_candidates():
    """z is available before T and has no event there: it is a candidate, and cold; n and m are neither."""
    before, after = (
        events([r for r in ROWS if r[2] < 0]),
        events([*(r for r in ROWS if r[2] > 0), ("b", "z", 11.0)]),
    )
    plan = plan_replay(before, after, known_items({"z": -5.0}), cut=CUT, end=END)
    part = next(part for part in standard_slices(plan) if part.name == COLD_ITEMS)
    assert plan.catalogue[part.items].tolist() == ["z"]
    assert plan.catalogue[part.relevant(plan).items].tolist() == ["z"]


def test_no_content_no_pass(plan: ReplayPlan):
    assert plan_cold(plan, known_items({"x": -9.0, "y": -8.0})) is None
    assert plan_cold(plan, known_items({"n": 60.0})) is None  # known after everybody took it
    undated = pd.DataFrame({"item_id": ["n"], "available_at": pd.to_datetime([None], utc=True)})
    assert plan_cold(plan, undated) is None


def test_lists_that_do_not_fit_the_pass_name_the_arm(plan: ReplayPlan, cold: ColdPass):
    first_pass = np.full((len(plan), 10), -1)

    def score(lists: np.ndarray) -> None:
        score_replay(plan, {"arm": first_pass}, metrics=METRICS, cold=cold, cold_lists={"arm": lists})

    with pytest.raises(ListError, match="cold lists of arm are"):
        score(np.zeros((3, 2), dtype=int))
    with pytest.raises(ListError, match="arm, cold items: list 1, place 0: item 99"):
        score(np.array([[0], [99]]))
