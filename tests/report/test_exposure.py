"""Lorenz curves."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.report.exposure import lorenz


def test_lorenz_worked_example():
    """Counts 3 and 1: the lesser half of the items holds 1 of 4 places."""
    x, y = lorenz(np.array([3, 1]))
    assert (x.tolist(), y.tolist()) == ([0, 0.5, 1], [0, 0.25, 1])


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=400).filter(any))
def test_lorenz_curve_rises_ever_steeper_below_the_diagonal(counts):
    x, y = lorenz(np.array(counts))
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    slopes = np.diff(y) / np.diff(x)
    assert (np.diff(slopes) >= -1e-9).all()
    assert (y <= x + 1e-12).all()
