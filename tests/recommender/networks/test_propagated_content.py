"""Against the rule by matrices: the graph's layers of items, over what the projection makes of content."""

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from components.content_vectors import ContentVectors
from components.recommender.networks.content_items import Content
from components.recommender.networks.graph_network import GraphNetwork
from components.recommender.networks.history_sum import HistorySum
from components.recommender.networks.item_graph import item_graph
from components.recommender.networks.propagated_content import PropagatedContent

USERS, ITEMS, DIM, TEMPERATURE = 6, 8, 4, 0.2
IS_TRAINED = np.arange(ITEMS) < ITEMS - 2


def network_of(has: torch.Tensor, hops: int) -> GraphNetwork:
    drawn = np.random.default_rng(0).standard_normal((ITEMS, 5)).astype(np.float32)
    torch.manual_seed(0)
    is_trained = torch.from_numpy(IS_TRAINED)
    items = PropagatedContent(is_trained, 5, DIM, Content(components=5, hidden=3), hops=hops)
    items.read(ContentVectors(vectors=drawn, space="text=drawn"), IS_TRAINED)
    users, of_users = (part.numpy() for part in has.nonzero(as_tuple=True))
    items.graph = item_graph(users, of_users, num_users=USERS, num_items=ITEMS)
    network = GraphNetwork(items, HistorySum(DIM, 1.0, 1 / TEMPERATURE), is_trained.nonzero()[:, 0]).eval()
    torch.nn.init.zeros_(network.mixer.start)
    return network


def random_has(seed: int) -> torch.Tensor:
    """[user item] who has what; nobody has the last two."""
    has = torch.rand(USERS, ITEMS, generator=torch.Generator().manual_seed(seed)) < 0.4
    has[:, 0] |= ~has[:, IS_TRAINED].any(dim=1)
    return has & torch.from_numpy(IS_TRAINED)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), hops=st.integers(0, 3))
def test_scores_are_cosines_of_the_layers_mean_over_the_temperature(seed, hops):
    """Of an item that nobody has: of what its content comes to."""
    has = random_has(seed)
    network = network_of(has, hops)
    degrees = has.sum(dim=1, keepdim=True).clamp(min=1), has.sum(dim=0, keepdim=True).clamp(min=1)
    weighed = has / (degrees[0] * degrees[1]) ** 0.5
    with torch.inference_mode():
        vectors, told = network.items(), network.items.project(network.items.content)
        layers = [torch.linalg.matrix_power(weighed.T @ weighed, hop) @ told for hop in range(hops + 1)]
        torch.testing.assert_close(vectors, F.normalize(torch.stack(layers).mean(dim=0), dim=1))
        torch.testing.assert_close(vectors[~IS_TRAINED], F.normalize(told[~IS_TRAINED], dim=1))
        for user in range(USERS):
            history = has[user].nonzero().T
            state = network.states(vectors, history, torch.zeros_like(history))[0, -1]
            cosines = F.cosine_similarity(vectors[history[0]].mean(dim=0)[None], vectors)
            torch.testing.assert_close(vectors @ state, cosines / TEMPERATURE)


def test_settled_it_gives_the_same_without_graph_and_content():
    """And an item that is not trained is what its content says."""
    network = network_of(random_has(3), hops=2)
    with torch.inference_mode():
        vectors, told = network.items(), F.normalize(network.items.project(network.items.content), dim=1)
    network.items.settle()
    assert (network.items.graph, network.items.content) == (None, None)
    torch.testing.assert_close(network.items(), vectors)
    network.items.is_trained[2] = False
    torch.testing.assert_close(network.items()[2], told[2])
    assert not torch.allclose(told[2], vectors[2], atol=0.01)


def test_the_projection_learns_through_the_neighbours():
    """From one item's vector the content of who it was taken with is told, and no other's."""
    has = torch.zeros(USERS, ITEMS, dtype=torch.bool)
    has[0, :2] = has[1, 2:4] = True
    items = network_of(has, hops=1).items
    items.content = items.content.clone().requires_grad_()
    items()[0].sum().backward()
    moved = items.content.grad.abs().sum(dim=1) > 0
    np.testing.assert_array_equal(moved.numpy(), [True, True, *[False] * 6])
