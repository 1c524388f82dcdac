"""Each pair of user and item once, in one order."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.features.graph import item_graph
from tests.features.rows import events


def test_worked_example():
    """a-x twice is one edge; w is outside; users a, b are 0, 1 and items x, y are 0, 1."""
    log = events(("b", "y", 1), ("a", "x", 2), ("a", "x", 3), ("a", "w", 4), ("a", "y", 5))
    graph = item_graph(log, np.array(["x", "y", "z"], dtype=object))
    assert list(zip(graph.user_index, graph.item_index, strict=True)) == [(0, 0), (0, 1), (1, 1)]
    assert graph.user_ids.tolist() == ["a", "b"]
    assert (graph.num_users, graph.num_items, graph.num_outside) == (2, 3, 1)


@settings(max_examples=60, deadline=None)
@given(
    log=st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("uvwxyz"), st.integers(0, 9)), max_size=30
    )
)
def test_edges_are_the_distinct_pairs(log):
    ids = np.array(["u", "w", "x", "z"], dtype=object)
    graph = item_graph(events(*log), ids)
    edges = [(graph.user_ids[u], ids[i]) for u, i in zip(graph.user_index, graph.item_index, strict=True)]
    assert edges == sorted({(user, item) for user, item, _ in log if item in ids})
    assert graph.num_outside == sum(item not in ids for _, item, _ in log)
