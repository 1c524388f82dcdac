"""Averaging over the graph, and the factors that lie in it."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.tokenizer.graph import Graph, collaborative_factors
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


def _two_tastes() -> Graph:
    """Users 0-19 take any of items 0-5, users 20-39 any of items 6-11; item 12 is nobody's."""
    rng = np.random.default_rng(0)
    pairs = [(user, 6 * (user // 20) + item) for user in range(40) for item in rng.permutation(6)[:4]]
    return Graph.of(check_edges(np.array(pairs).T, 13, 40), 40, 13)


def test_factors_tell_two_tastes_apart_and_leave_unused_items_at_zero():
    factors = collaborative_factors(_two_tastes(), 4, 1.0, torch.Generator().manual_seed(0))
    assert (factors[12] == 0).all()
    cosine = torch.nn.functional.cosine_similarity(factors[:12, None], factors[None, :12], dim=2)
    same = torch.arange(12)[:, None] // 6 == torch.arange(12)[None] // 6
    assert cosine[~same].max() < cosine[same].min()


def test_factors_are_those_of_a_dense_decomposition():
    """The iteration must find the singular vectors that LAPACK finds, up to their sign."""
    graph, smoothing = _two_tastes(), 2.0
    dense = torch.zeros(40, 13, dtype=torch.float64)
    dense[graph.by_user[0], graph.by_user[1]] = 1
    per_user, per_item = dense.sum(1) + smoothing, dense.sum(0) + smoothing
    popular = dense.sum(0) * per_item.rsqrt()
    popular = popular / popular.norm()
    smoothed = per_user.rsqrt()[:, None] * dense * per_item.rsqrt()
    _, strength, turned = torch.linalg.svd(
        smoothed @ (torch.eye(13).double() - torch.outer(popular, popular))
    )
    expected = (turned[:3].T * strength[:3]) * per_item.rsqrt()[:, None]
    expected *= (3 / expected[:12].square().sum(1).mean()) ** 0.5
    found = collaborative_factors(graph, 3, smoothing, torch.Generator().manual_seed(5)).double()
    torch.testing.assert_close(found.abs(), expected.abs(), rtol=1e-3, atol=1e-3)


def test_factors_beyond_the_rank_of_the_graph_are_zero():
    """One user, two items: the only direction there is says how popular an item is, and is left out."""
    graph = Graph.of(np.array([[0, 0], [0, 1]]), 1, 2)
    assert (collaborative_factors(graph, 8, 5.0, torch.Generator()) == 0).all()
