"""The order of a search for one user, by a real arm: EASE, which lists what was had together."""

from __future__ import annotations

import numpy as np
import pytest

from components.recommender.arm import Arm, Histories
from components.recommender.arms.ease import EASEConfig, fit_ease
from components.recommender.sequences import TrainingSequences
from components.search.for_user import for_user, num_candidates


@pytest.fixture(scope="module")
def arm() -> Arm:
    """a, b, e and f are had together, and c and d are."""
    lists = [["a", "b", "e", "f"]] * 3 + [["c", "d"]] * 3
    times = [[*range(len(had))] for had in lists]
    return fit_ease(TrainingSequences.from_lists(lists, times), EASEConfig(regularization=0.5))


def history(*had: str, catalogue: str = "abcdef") -> Histories:
    ids = np.array(list(catalogue), dtype=object)
    items = np.array([list(ids).index(item) for item in had], dtype=np.int64)
    return Histories(
        catalogue=ids,
        items=items,
        times=np.arange(len(items)),
        start=np.array([0]),
        end=np.array([len(items)]),
    )


def ids(*of: str) -> np.ndarray:
    return np.array(of, dtype=object)


def test_who_asks_turns_the_order(arm: Arm) -> None:
    found = ids("c", "b", "e", "f")
    for had, first in (("a", "b"), ("d", "c")):
        order, scores = for_user(arm, history(had), found)
        assert found[order][0] == first
        assert (np.diff(scores) <= 0).all()


def test_what_the_search_found_first_is_not_lost_to_the_arm_alone(arm: Arm) -> None:
    """Both count: what is first of both is first, and every item found is told once."""
    found = ids("b", "d", "c", "f")
    order, _ = for_user(arm, history("a"), found)
    assert found[order][0] == "b"
    assert sorted(order) == [0, 1, 2, 3]


def test_an_item_that_the_arm_does_not_know_keeps_the_rank_of_the_search(arm: Arm) -> None:
    found = ids("new", "newer", "b")
    order, _ = for_user(arm, history("a"), found)
    assert found[order].tolist() == ["b", "new", "newer"]
    order, _ = for_user(arm, history("a"), ids("new", "newer"))
    assert order.tolist() == [0, 1]
    order, scores = for_user(arm, history("a"), ids())
    assert order.size == scores.size == 0


def test_what_was_had_may_be_found_again(arm: Arm) -> None:
    order, _ = for_user(arm, history("a", "b"), ids("a", "c"))
    assert sorted(order) == [0, 1]


def test_candidates_are_a_share_of_the_items() -> None:
    assert [num_candidates(n) for n in (5, 1_000, 1_682, 9_742, 200_000)] == [20, 20, 34, 195, 200]


def test_one_history_at_a_time(arm: Arm) -> None:
    two = Histories(
        catalogue=ids("a"), items=np.zeros(0, dtype=np.int64), times=np.zeros(0, dtype=np.int64),
        start=np.array([0, 0]), end=np.array([0, 0]),
    )  # fmt: skip
    with pytest.raises(ValueError, match="2 histories"):
        for_user(arm, two, ids("a"))
