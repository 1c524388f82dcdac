"""Against LightGCN as published, on the whole graph, for users without vectors of their own."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.networks.graph_network import Graph, GraphNetwork
from components.recommender.networks.history_sum import HistorySum
from components.recommender.networks.item_graph import item_graph
from components.recommender.networks.propagated_items import PropagatedItems

USERS, ITEMS, DIM = 6, 8, 4


def random_has(seed: int) -> torch.Tensor:
    """[user item] who has what; everybody has something."""
    has = torch.rand(USERS, ITEMS, generator=torch.Generator().manual_seed(seed)) < 0.4
    has[:, 0] |= ~has.any(dim=1)
    return has


def network_of(has: torch.Tensor, hops: int) -> GraphNetwork:
    items = PropagatedItems(ITEMS, DIM, hops=hops)
    users, of_users = (part.numpy() for part in has.nonzero(as_tuple=True))
    items.graph = item_graph(users, of_users, num_users=USERS, num_items=ITEMS)
    network = GraphNetwork(items, HistorySum(DIM, 1.0), torch.arange(ITEMS)).eval()
    torch.nn.init.zeros_(network.mixer.start)
    return network


def published(has: torch.Tensor, own: torch.Tensor, layers: int) -> list[torch.Tensor]:
    """[node dim] of each layer, users first: equation 8, D^-1/2 A D^-1/2 again and again; users begin at zero."""
    links = torch.zeros(USERS + ITEMS, USERS + ITEMS)
    links[:USERS, USERS:], links[USERS:, :USERS] = has, has.T
    root = links.sum(dim=1).clamp(min=1) ** -0.5
    found = [torch.cat([torch.zeros(USERS, DIM), own])]
    for _ in range(layers):
        found.append(root[:, None] * (links @ (root[:, None] * found[-1])))
    return found


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), hops=st.integers(0, 3))
def test_items_are_the_mean_of_their_layers_and_a_history_the_user_who_has_it(seed, hops):
    """Items are there at layers 0, 2, 4, …, users at 1, 3, 5, …; at the others both are zero."""
    has = random_has(seed)
    network = network_of(has, hops)
    layers = published(has, network.items.free.detach(), 2 * hops + 1)
    with torch.inference_mode():
        vectors = network.items()
        torch.testing.assert_close(vectors, torch.stack(layers[::2]).mean(dim=0)[USERS:])
        of_users = torch.stack(layers[1::2]).mean(dim=0)[:USERS]
        for user in range(USERS):
            history = has[user].nonzero().T
            state = network.states(vectors, history, torch.zeros_like(history))[0, -1]
            torch.testing.assert_close(state, F.normalize(of_users[user], dim=0) * DIM**0.5)


def test_settled_it_gives_the_same_without_the_graph():
    network = network_of(random_has(3), hops=2)
    history = torch.tensor([[1, 4, 2]])
    with torch.inference_mode():
        vectors = network.items()
        states = network.states(vectors, history, torch.zeros_like(history))
    network.items.settle()
    assert network.items.graph is None
    with torch.inference_mode():
        assert torch.equal(network.items(), vectors)
        assert torch.equal(network.states(vectors, history, torch.zeros_like(history)), states)
    assert {"items.free", "items.settled", "items.settled_share", "mixer.start"} <= set(network.state_dict())


def test_own_vectors_learn_through_all_their_neighbours():
    """An item that no loss names moves too, if a user has it beside one that a loss names."""
    has = torch.zeros(USERS, ITEMS, dtype=torch.bool)
    has[0, :2] = has[1, 2:4] = True
    network = network_of(has, hops=1)
    network.items()[0].sum().backward()
    moved = network.items.free.grad.abs().sum(dim=1) > 0
    np.testing.assert_array_equal(moved.numpy(), [True, True, *[False] * 6])


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"hops -1 is 0 or more"):
        Graph(hops=-1)
    with pytest.raises(ValueError, match=r"fading 0\.0 above 0"):
        Graph(fading=0.0)
