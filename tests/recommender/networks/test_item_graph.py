import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.networks.item_graph import ItemGraph, item_graph

NUM_USERS, NUM_ITEMS = 7, 5
pairs = st.lists(st.tuples(st.integers(0, NUM_USERS - 1), st.integers(0, NUM_ITEMS - 1)), min_size=1)


def graph_of(events: list[tuple[int, int]]) -> ItemGraph:
    users, items = np.array(events).T
    return item_graph(users, items, num_users=NUM_USERS, num_items=NUM_ITEMS)


def dense(events: list[tuple[int, int]]) -> torch.Tensor:
    """R, entry by entry."""
    has = torch.zeros(NUM_USERS, NUM_ITEMS)
    for user, item in events:
        has[user, item] = 1
    degrees = has.sum(dim=1, keepdim=True) * has.sum(dim=0)
    return has / degrees.clamp(min=1).sqrt()


def test_worked_example():
    """User 0 has items 0 and 1, user 1 has 1 alone.

    So R = [[1/√2, 1/√4], [0, 1/√2]] and R'R = [[1/2, 1/√8], [1/√8, 3/4]].
    """
    graph = graph_of([(0, 1), (1, 1), (0, 0), (1, 1)])
    found = graph.hop(torch.eye(NUM_ITEMS))[:2, :2]
    torch.testing.assert_close(found, torch.tensor([[0.5, 8**-0.5], [8**-0.5, 0.75]]))
    torch.testing.assert_close(graph.share[:3, 0], torch.tensor([1.0, 2**-0.5, 1.0]))


@settings(max_examples=50, deadline=None)
@given(events=pairs, seed=st.integers(0, 99))
def test_a_hop_and_its_gradient_are_those_of_the_dense_product(events, seed):
    draw = torch.Generator().manual_seed(seed)
    vectors, upstream = torch.randn(2, NUM_ITEMS, 3, generator=draw)
    other = vectors.clone()
    r = dense(events)
    wanted = r.T @ (r @ other.requires_grad_())
    found = graph_of(events).hop(vectors.requires_grad_())
    torch.testing.assert_close(found, wanted)
    found.backward(upstream)
    wanted.backward(upstream)
    torch.testing.assert_close(vectors.grad, other.grad)


def test_it_is_in_float32_whatever_the_precision_around_it():
    graph, vectors = graph_of([(0, 0), (0, 1), (3, 1)]), torch.rand(NUM_ITEMS, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(graph.hop(vectors), graph.hop(vectors.double().float()), rtol=0, atol=0)
        assert graph.hop(vectors).dtype == torch.float32
