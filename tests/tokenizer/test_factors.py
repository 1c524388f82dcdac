"""Taste space: what events say of an item, what content suggests, and how the two meet."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.tokenizer.factors import Evidence, fit_taste_space, fold_in, starting_points
from components.tokenizer.graph import Graph
from components.tokenizer.modalities import check_edges


def _two_tastes() -> Graph:
    """Users 0-19 take any of items 0-5, users 20-39 any of items 6-11; item 12 is nobody's."""
    rng = np.random.default_rng(0)
    pairs = [(user, 6 * (user // 20) + item) for user in range(40) for item in rng.permutation(6)[:4]]
    return Graph.of(check_edges(np.array(pairs).T, 13, 40), 40, 13)


def _content(graph: Graph) -> torch.Tensor:
    """One number an item, -1 for the first taste and 1 for the second, with a little noise."""
    side = torch.where(torch.arange(graph.num_items) < 6, -1.0, 1.0)
    return (side + 0.1 * torch.randn(graph.num_items, generator=torch.Generator().manual_seed(0))).unsqueeze(
        1
    )


def _fit(graph: Graph, dim: int, smoothing: float = 2.0):
    return fit_taste_space(graph, _content(graph), dim, smoothing, torch.Generator().manual_seed(5))


def test_tastes_come_apart_and_unused_items_stay_at_zero():
    _, evidence = _fit(_two_tastes(), 4)
    assert (evidence.factors[12] == 0).all()
    cosine = torch.nn.functional.cosine_similarity(
        evidence.factors[:12, None], evidence.factors[None, :12], dim=2
    )
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
    _, evidence = _fit(graph, 3, smoothing)
    torch.testing.assert_close(evidence.factors.double().abs(), expected.abs(), rtol=1e-3, atol=1e-3)


def test_confidence_worked_example():
    """τ = 5: 0 events → 0, 5 events → ½, 20 events → 4/5; those of users of a single item are none (item 4)."""
    edges = np.array([[*range(5), *range(20), *range(20), 20, 21], [1] * 5 + [2] * 20 + [3] * 20 + [4] * 2])
    graph = Graph.of(check_edges(edges, 5, 22), 22, 5)
    _, evidence = _fit(graph, 2, 5.0)
    assert evidence.confidence.tolist() == pytest.approx([0.0, 0.5, 0.8, 0.8, 0.0])


def test_folding_every_item_of_the_fit_in_from_itself_gives_its_factors_back():
    """Two smoothed averages, times gain, less drift, is the identity on what the fit found."""
    graph = _two_tastes()
    space, evidence = _fit(graph, 3)
    twice = Graph.of(
        np.concatenate([graph.by_user.numpy(), graph.by_user.numpy() + np.array([[0], [13]])], axis=1), 40, 26
    )  # every item a second time, unknown, used by the same users
    known = Evidence(
        factors=torch.cat([evidence.factors, torch.zeros(13, 3)]),
        confidence=torch.cat([evidence.confidence, torch.zeros(13)]),
    )
    folded = fold_in(space, twice, known, torch.arange(26) < 13)
    torch.testing.assert_close(folded.factors[:13], evidence.factors, rtol=0, atol=0)
    torch.testing.assert_close(folded.factors[13:], evidence.factors, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(folded.confidence[13:], evidence.confidence)


def test_users_who_know_nothing_give_no_evidence():
    space, _ = _fit(_two_tastes(), 3)
    graph = Graph.of(np.array([[0, 0, 1], [0, 1, 1]]), 2, 2)
    blank = Evidence(factors=torch.zeros(2, 3), confidence=torch.zeros(2))
    folded = fold_in(space, graph, blank, torch.zeros(2, dtype=torch.bool))
    assert (folded.factors == 0).all()
    assert (folded.confidence == 0).all()


def test_content_places_an_item_without_events_with_its_taste():
    graph = _two_tastes()
    space, evidence = _fit(graph, 2)
    start = starting_points(space, evidence, _content(graph))
    nearest = torch.nn.functional.cosine_similarity(start[12:], start[:12]).argmax()
    assert nearest >= 6, "item 12 has the content of the second taste"


def test_a_start_is_evidence_and_the_missing_part_of_the_prior():
    """Confidence ¾ and a prior of 8: evidence 3 plus ¼ of 8."""
    space, _ = _fit(_two_tastes(), 1)
    space.prior[:] = 4.0
    evidence = Evidence(factors=torch.tensor([[3.0]]), confidence=torch.tensor([0.75]))
    assert starting_points(space, evidence, torch.tensor([[2.0]])).item() == 5.0


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    users=st.integers(0, 6),
    items=st.integers(1, 6),
    edges=st.integers(0, 20),
    smoothing=st.sampled_from([0.0, 5.0]),
)
def test_any_small_graph_gives_finite_places(seed, users, items, edges, smoothing):
    rng = np.random.default_rng(seed)
    count = edges if users else 0
    drawn = np.stack([rng.integers(max(users, 1), size=count), rng.integers(items, size=count)])
    graph = Graph.of(check_edges(drawn, items, users), users, items)
    content = torch.from_numpy(rng.normal(size=(items, 3)).astype(np.float32))
    space, evidence = fit_taste_space(graph, content, 8, smoothing, torch.Generator().manual_seed(seed))
    start = starting_points(space, evidence, content)
    assert start.shape == (items, 8)
    assert torch.isfinite(start).all()
    unknown = fold_in(space, graph, evidence, torch.from_numpy(rng.random(items) < 0.5))
    assert torch.isfinite(unknown.factors).all()


def test_one_user_has_no_taste_to_compare_with():
    """One user, two items: the only direction there is says how popular an item is, and is left out."""
    graph = Graph.of(np.array([[0, 0], [0, 1]]), 1, 2)
    space, evidence = _fit(graph, 8, 5.0)
    assert (evidence.factors == 0).all()
    assert (space.prior == 0).all()
