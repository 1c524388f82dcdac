"""Items of one tuple move to free last codes, and nobody else does."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.tokenizer.collisions import spread_collisions


def test_worked_example():
    """Rows 0 and 1 share (5, 0). Row 1 is nearer to code 0 and keeps it; row 0 wants 1, which row 2 has, so takes 2.

    Row 3 has the same last code under another prefix: no collision.
    """
    codes = np.array([[5, 0], [5, 0], [5, 1], [6, 0]])
    distance = np.array([[0.3, 0.4, 0.9], [0.1, 0.2, 0.3], [0.5, 0.0, 0.5], [0.0, 0.1, 0.1]])
    spread, moved = spread_collisions(codes, distance)
    assert spread.tolist() == [[5, 2], [5, 0], [5, 1], [6, 0]]
    assert moved.tolist() == [0]


def test_a_full_prefix_leaves_the_rest_where_they_were():
    """Three items, two codes: one must stay in collision."""
    spread, moved = spread_collisions(np.zeros((3, 2), dtype=np.int64), np.array([[0.0, 1], [1, 1], [2, 1]]))
    assert spread[:, 1].tolist() == [0, 1, 0]
    assert moved.tolist() == [1]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), items=st.integers(0, 60), prefixes=st.integers(1, 6), size=st.integers(1, 12)
)
def test_only_the_last_code_moves_and_collisions_go_as_far_as_codes_reach(seed, items, prefixes, size):
    rng = np.random.default_rng(seed)
    distance = rng.random((items, size))
    codes = np.column_stack([rng.integers(prefixes, size=items), rng.integers(size, size=items)])
    spread, moved = spread_collisions(codes, distance)
    assert (spread[:, 0] == codes[:, 0]).all()
    assert set(np.flatnonzero(spread[:, 1] != codes[:, 1])) == set(moved)
    for prefix in range(prefixes):
        inside = codes[:, 0] == prefix
        assert len(np.unique(spread[inside, 1])) == min(inside.sum(), size)
