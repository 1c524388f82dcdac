"""Sums and means along the edges."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.tokenizer.graph import Graph
from components.tokenizer.modalities import check_edges


def _graph(seed: int, users: int = 7, items: int = 5, edges: int = 14) -> Graph:
    rng = np.random.default_rng(seed)
    drawn = np.stack([rng.integers(users, size=edges), rng.integers(items, size=edges)])
    return Graph.of(check_edges(drawn, items, users), users, items)


def test_means_worked_example():
    """User 0 has items 0 and 2, user 1 item 2, user 2 nothing; item values 1, 10, 5.

    Users: (1 + 5)/2 = 3, 5, 0. Items back from users: 3, 0 (nobody), (3 + 5)/2 = 4.
    """
    graph = Graph.of(np.array([[0, 0, 1], [0, 2, 2]]), num_users=3, num_items=3)
    to_users, to_items = graph.means()
    per_user = to_users(torch.tensor([[1.0], [10.0], [5.0]]))
    assert per_user.flatten().tolist() == [3.0, 5.0, 0.0]
    assert to_items(per_user).flatten().tolist() == [3.0, 0.0, 4.0]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_means_over_kept_edges_are_those_of_the_smaller_graph(seed, share):
    graph = _graph(seed)
    keep = torch.rand(graph.by_user.shape[1], generator=torch.Generator().manual_seed(seed)) < share
    smaller = Graph.of(graph.by_user[:, keep].numpy(), graph.num_users, graph.num_items)
    x = torch.randn(graph.num_items, 3, generator=torch.Generator().manual_seed(seed))
    for kept, built in zip(graph.means(keep), smaller.means(), strict=True):
        assert torch.equal(kept(x), built(x))
        x = built(x)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_gradient_goes_back_along_the_edges(seed):
    """Against the dense matrix product, whose gradient torch knows."""
    graph = _graph(seed)
    for mean in graph.means():
        x = torch.randn(
            mean.matrix.shape[1], 2, generator=torch.Generator().manual_seed(seed), requires_grad=True
        )
        dense = x.detach().clone().requires_grad_()
        (mean(x) ** 2).sum().backward()
        ((mean.matrix.to_dense() @ dense) ** 2).sum().backward()
        torch.testing.assert_close(x.grad, dense.grad)
