import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.hypervolume import hypervolume

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=6)


def test_worked_example():
    """Rectangles 3 x 1 and 1 x 2 overlap in 1 x 1: 3 + 2 - 1; (1, 1) lies in them and adds nothing."""
    assert hypervolume(np.array([[3.0, 1.0], [1.0, 2.0], [1.0, 1.0]])) == pytest.approx(4)
    assert hypervolume(np.zeros((0, 2))) == 0


@given(POINTS)
def test_it_counts_the_cells_that_some_point_covers(points: list[tuple[int, int]]):
    covered = {(x, y) for a, b in points for x in range(a) for y in range(b)}
    found = hypervolume(np.array(points, dtype=float).reshape(-1, 2))
    assert found == pytest.approx(len(covered))
