import numpy as np
import torch
import torch.nn.functional as F

from components.content_vectors import ContentVectors
from components.recommender.networks.aligned_items import AlignedItems
from components.recommender.networks.aligned_network import AlignedNetwork, Alignment
from components.recommender.networks.content_items import Content
from components.recommender.networks.history_sum import HistorySum
from components.recommender.networks.item_graph import item_graph

ITEMS, DIM = 6, 4
IS_TRAINED = np.arange(ITEMS) != 3
TRAINED = torch.from_numpy(np.flatnonzero(IS_TRAINED))
TOLD = torch.tensor([0, 1, 2, 4])  # of the trained, those with content


def network(weight: float = 0.5, hops: int = 1) -> AlignedNetwork:
    """Item 5 has no content, and nobody has item 3."""
    drawn = np.random.default_rng(0).standard_normal((ITEMS, 5)).astype(np.float32)
    drawn[5] = 0
    torch.manual_seed(0)
    items = AlignedItems(torch.from_numpy(IS_TRAINED), 5, DIM, Content(components=5), hops=hops)
    items.read(ContentVectors(vectors=drawn, space="text=drawn"), IS_TRAINED)
    has = (np.array([0, 0, 1, 1, 1]), np.array([0, 1, 2, 4, 5]))
    items.graph = item_graph(*has, num_users=2, num_items=ITEMS)
    alignment = Alignment(weight=weight, temperature=0.2)
    return AlignedNetwork(items, HistorySum(DIM, 1.0), TRAINED, alignment=alignment)


def test_the_loss_is_of_one_view_among_all_others():
    """By hand over the trained items that say something; a target that does not counts as 0 in the weighted mean."""
    net = network()
    vectors, targets, weights = net.items(), torch.tensor([1, 4, 5, 1]), torch.tensor([1.0, 2.0, 9.0, 1.0])
    cosines = F.cosine_similarity(vectors[[1, 4]][:, None], net.items.mapped(TOLD)[None], dim=2)
    one, four = F.cross_entropy(cosines / 0.2, torch.tensor([1, 3]), reduction="none")
    torch.testing.assert_close(net.alignment(vectors, targets, weights), (one + one + 2 * four) / 13)
    torch.testing.assert_close(net.alignment(vectors, targets), (one + one + four) / 4)
    assert net.alignment(vectors, torch.tensor([5])) == 0
    states = torch.randn(4, DIM, generator=torch.Generator().manual_seed(1))
    without = network(weight=0.0).loss(states, vectors, targets, weights)
    torch.testing.assert_close(
        net.loss(states, vectors, targets, weights), without + (one + one + 2 * four) / 26
    )


def test_a_vector_without_a_direction_is_drawn_nowhere():
    """A warm start gives new items such vectors; the gradient of a direction at 0 would be all that a step follows."""
    net = network(hops=0)
    with torch.no_grad():
        net.items.free[1] = 0
    both = net.alignment(net.items(), torch.tensor([1, 4]))
    torch.testing.assert_close(both, net.alignment(net.items(), torch.tensor([4])) / 2)
    both.backward()
    assert net.items.free.grad[1].abs().sum() == 0
    assert net.items.free.grad.abs().max() < 10


def test_both_views_learn():
    net = network()
    net.alignment(net.items(), torch.tensor([1])).backward()
    assert net.items.linear.weight.grad.abs().sum() > 0
    moved = net.items.free.grad.abs().sum(dim=1) > 0
    np.testing.assert_array_equal(moved.numpy(), [True, True, False, False, False, False])


def test_a_start_is_of_own_vectors_and_the_map_is_near_it():
    net, start = network(), torch.randn(ITEMS, DIM, generator=torch.Generator().manual_seed(2))
    start[3] = 0
    before = F.cosine_similarity(net.items.mapped(TOLD), start[TOLD]).mean()
    net.items.begin_at(start)
    assert torch.equal(net.items.free.detach(), start)
    assert F.cosine_similarity(net.items.mapped(TOLD), start[TOLD]).mean() > max(0.3, before)


def test_settled_it_gives_the_same_and_the_map_for_who_is_not_trained():
    net = network()
    vectors, mapped, share = (
        net.items().detach(),
        net.items.mapped(torch.arange(ITEMS)).detach(),
        net.items.share,
    )
    net.items.settle()
    assert (net.items.graph, net.items.content) == (None, None)
    settled = net.items()
    torch.testing.assert_close(settled[IS_TRAINED], vectors[IS_TRAINED])
    torch.testing.assert_close(F.normalize(settled[3], dim=0), F.normalize(mapped[3], dim=0))
    torch.testing.assert_close(settled[3].norm(), vectors[IS_TRAINED].norm(dim=1).mean())
    assert torch.equal(net.items.share, share)
    assert net.items.share[3] == 1
