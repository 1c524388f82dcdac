import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.recommender.event_runs import flat_runs, pad_runs


def test_worked_example():
    """Events 10 11 12 13 at 1 2 3 4: runs 1:3, 2:2 (empty) and 3:4."""
    items, times = pad_runs(
        np.array([10, 11, 12, 13]), np.array([1, 2, 3, 4]), np.array([1, 2, 3]), np.array([3, 2, 4])
    )
    assert items.tolist() == [[11, 12], [0, 0], [13, 0]]
    assert times[[0, 2]].tolist() == [[2, 3], [4, 4]]
    row, event = flat_runs(np.array([1, 2, 3]), np.array([3, 2, 4]))
    assert (row.tolist(), event.tolist()) == ([0, 0, 2], [1, 2, 3])


def test_empty_runs_alone():
    nothing = np.zeros(0, dtype=np.int64)
    items, times = pad_runs(nothing, nothing, np.array([0, 0]), np.array([0, 0]))
    assert items.shape == times.shape == (2, 0)
    assert [part.tolist() for part in flat_runs(nothing, nothing)] == [[], []]


@given(runs=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), min_size=1, max_size=8))
def test_both_lay_out_the_same_events(runs):
    start = np.array([first for first, _ in runs])
    end = start + np.array([length for _, length in runs])
    events = np.arange(30)
    padded, _ = pad_runs(events + 1, events, start, end)  # from 1, so that 0 is filling alone
    row, event = flat_runs(start, end)
    assert event.tolist() == [at for first, last in zip(start, end, strict=True) for at in range(first, last)]
    assert (padded[padded > 0] - 1).tolist() == event.tolist()
    assert np.bincount(row, minlength=len(runs)).tolist() == (padded > 0).sum(axis=1).tolist()
