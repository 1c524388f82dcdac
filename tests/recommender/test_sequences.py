import numpy as np
import pytest

from components.recommender.sequences import NothingToTrainOn, TrainingSequences, UnknownItem


def test_lists_become_columns():
    """Two users, b a and c: the vocabulary ascends (a b c), so the rows are 1 0 and 2."""
    made = TrainingSequences.from_lists([["b", "a"], [], ["c"]], [[5, 9], [], [7]])
    assert made.item_ids.tolist() == ["a", "b", "c"]
    assert (made.items.tolist(), made.times.tolist(), made.offsets.tolist()) == (
        [1, 0, 2],
        [5, 9, 7],
        [0, 2, 3],
    )
    assert (made.items.dtype, made.num_users) == (np.int32, 2)


def test_vocabulary_may_hold_cold_items():
    made = TrainingSequences.from_lists([["b"]], item_ids=["c", "b", "a"])
    assert (made.num_items, made.items.tolist(), made.times.tolist()) == (3, [1], [0])


def test_unknown_item_is_named():
    with pytest.raises(UnknownItem, match="event 1: item 'z' is not among the 1 item_ids"):
        TrainingSequences.from_lists([["a", "z"]], item_ids=["a"])


@pytest.mark.parametrize(
    ("items", "times", "message"),
    [
        ([["a", "b"]], [[2, 1]], r"event 1 \(b\) is earlier"),
        ([["a"]], [[1, 2]], "user 0: 1 items but 2 times"),
        ([["a"]], [], "1 users have items, 0 have times"),
    ],
)
def test_broken_lists_are_refused(items, times, message):
    with pytest.raises(ValueError, match=message):
        TrainingSequences.from_lists(items, times)


def test_weights_stand_beside_their_events_and_all_alike_are_none():
    lists = [["b", "a"], [], ["c"]]
    assert TrainingSequences.from_lists(lists, weights=[[0.5, 0], [], [2]]).weights.tolist() == [0.5, 0, 2]
    assert TrainingSequences.from_lists(lists, weights=[[0.5, 0], [], [2]]).is_target.tolist() == [
        True,
        False,
        True,
    ]
    assert TrainingSequences.from_lists(lists, weights=[[0.3, 0.3], [], [0.3]]).weights is None
    assert TrainingSequences.from_lists(lists).is_target.all()


@pytest.mark.parametrize(
    ("weights", "error", "told"),
    [
        ([[1, 1], [], [1, 1]], ValueError, "differ in length"),
        ([[1, -1], [], [1]], ValueError, "negative or no number"),
        ([[1, float("nan")], [], [1]], ValueError, "negative or no number"),
        ([[0, 0], [], [0]], NothingToTrainOn, "all 3 events before the cut weigh 0"),
    ],
)
def test_weights_that_cannot_be_meant(weights, error, told):
    with pytest.raises(error, match=told):
        TrainingSequences.from_lists([["b", "a"], [], ["c"]], weights=weights)
