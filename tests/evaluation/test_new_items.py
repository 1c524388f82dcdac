"""What a share for new items brought and cost, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.cold import plan_cold
from components.evaluation.contenders import WITHOUT_SHARE
from components.evaluation.new_items import new_item_effect
from components.evaluation.plan import ReplayPlan, plan_replay
from components.evaluation.replay import ReplayResult
from components.evaluation.scores import score_replay
from components.evaluation.slices import standard_slices
from components.evaluation.trial import ArmLists, Trial
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


def padded(*rows: list[int]) -> np.ndarray:
    return np.array([row + [-1] * (PROFILE.list_length - len(row)) for row in rows])


@pytest.fixture
def result() -> ReplayResult:
    """Requests in their order: a's n, a's x, b's y. With the share n stands first in both lists of a."""
    plan = planned()
    n, x, y, z = (plan.catalogue.tolist().index(item) for item in "nxyz")
    return judge(
        plan,
        {
            "mmgrec": padded([n, x], [z, x], [y, z]),
            WITHOUT_SHARE: padded([x, z], [x, z], [y, z]),
            "popularity": padded([x], [x], [y]),
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


def test_items_that_come_after_the_cut_are_counted_in_lists_of_their_own() -> None:
    """n is known from second 3 on: of the lists with later items a's two hold it, b's, asked at 2, may not."""
    rows = [*ROWS[:-1], ("b", "y", 2.0)]
    before, after = (
        events([row for row in rows if (row[2] < 0) is is_before]) for is_before in (True, False)
    )
    known = known_items({"n": 3.0} | dict.fromkeys("xyz", -10.0))
    plan = plan_replay(before, after, known, cut=CUT, end=END)
    cold = plan_cold(plan, known)
    assert cold is not None
    n, x, y, z = (plan.catalogue.tolist().index(item) for item in "nxyz")

    def asked(name: str, joined: list[list[int]]) -> ArmLists:
        at_the_cut = padded([x, z], [x, z], [y, z])
        return ArmLists(
            name=name, lists=at_the_cut, train_end=CUT, digest=name, cold_lists=padded(joined[0]),
            joined_lists=padded(*joined),
        )  # fmt: skip

    arms = (asked("mmgrec", [[n, x], [n, x], [n, y]]), asked(WITHOUT_SHARE, [[x, z], [x, z], [y, z]]))
    scores = score_replay(
        plan, {arm.name: arm.lists for arm in arms}, slices=standard_slices(plan), cold=cold,
        cold_lists={arm.name: arm.cold_lists for arm in arms},
    )  # fmt: skip
    found = new_item_effect(
        plan, arms, scores, Trial(challenger="mmgrec", champion=None, profile=PROFILE), cold
    )
    assert found is not None
    # a's second list may not hold n, taken at 5, and b's not yet: [n, x], [x] and [y]
    assert (found.places, found.recall, found.recall_without) == (1 / 4, 1, 0)
    assert found.others.delta == 0


def test_without_a_share_nothing_is_said_of_it() -> None:
    plan = planned()
    lists = np.full((len(plan), PROFILE.list_length), -1)
    plain = judge(plan, {"mmgrec": lists, "popularity": lists}, "mmgrec", None)
    assert plain.new_items is None
    assert "new_items" not in plain.to_dict()
