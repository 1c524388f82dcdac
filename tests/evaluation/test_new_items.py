"""What a share for new items brought and cost, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.contenders import WITHOUT_SHARE
from components.evaluation.plan import ReplayPlan, plan_replay
from components.evaluation.replay import ReplayResult
from tests.evaluation.judging import PROFILE, judge
from tests.evaluation.test_cold import known_items
from tests.evaluation.worlds import CUT, END, events

# n is a candidate without an event before the cut; a takes it and x, b takes y
ROWS = [
    ("a", "y", -9.0),
    ("b", "x", -8.0),
    ("c", "z", -7.0),
    ("a", "n", 5.0),
    ("a", "x", 7.0),
    ("b", "y", 9.0),
]


def planned() -> ReplayPlan:
    before, after = (
        events([row for row in ROWS if (row[2] < 0) is is_before]) for is_before in (True, False)
    )
    return plan_replay(before, after, known_items(dict.fromkeys("nxyz", -10.0)), cut=CUT, end=END)


@pytest.fixture
def result() -> ReplayResult:
    """Requests in their order: a's n, a's x, b's y. With the share n stands first in both lists of a."""
    plan = planned()
    n, x, y, z = (plan.catalogue.tolist().index(item) for item in "nxyz")
    width = PROFILE.list_length

    def lists(*rows: list[int]) -> np.ndarray:
        return np.array([row + [-1] * (width - len(row)) for row in rows])

    return judge(
        plan,
        {
            "mmgrec": lists([n, x], [z, x], [y, z]),
            WITHOUT_SHARE: lists([x, z], [x, z], [y, z]),
            "popularity": lists([x], [x], [y]),
        },
        "mmgrec",
        None,
    )


def test_places_recall_and_cost_by_hand(result: ReplayResult) -> None:
    """One of six places is new. a, alone in having taken a new item, finds it. a's x moves from the first place to the
    second: NDCG 1 becomes 1 / log2(3) = .631 for a, and nothing changes for b: (-.369 + 0) / 2.
    """
    found = result.new_items
    assert found is not None
    assert (found.places, found.places_without) == (pytest.approx(1 / 6), 0)
    assert (found.users, found.recall, found.recall_without) == (1, 1, 0)
    assert found.others.delta == pytest.approx((1 / np.log2(3) - 1) / 2)
    assert found.others.n == 2


def test_it_is_published_and_told(result: ReplayResult) -> None:
    assert result.to_dict()["new_items"]["users"] == 1
    first, second = result.evidence.new_items.told if result.evidence.new_items else ("", "")
    assert first == "16.7% of places (0.0% without the share); recall@10 1.000 (0.000)"
    assert second.startswith("NDCG@10 of other items -0.1845 [")


def test_without_a_share_nothing_is_said_of_it() -> None:
    plan = planned()
    lists = np.full((len(plan), PROFILE.list_length), -1)
    plain = judge(plan, {"mmgrec": lists, "popularity": lists}, "mmgrec", None)
    assert plain.new_items is None
    assert "new_items" not in plain.to_dict()
