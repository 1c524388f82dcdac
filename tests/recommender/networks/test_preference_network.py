"""The loss of several objectives by hand, and where the preference has its say."""

import math

import numpy as np
import pytest
import torch

from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.networks.mixer import Mixer, MixerConfig
from components.recommender.networks.preference_network import PreferenceNetwork, non_uniformity

ITEMS, DIM = 6, 8


def network(penalty: float = 0.0) -> PreferenceNetwork:
    torch.manual_seed(0)
    items = ItemEmbedding(torch.zeros(ITEMS, 0, dtype=torch.long), (), DIM, free=True)
    mixer = Mixer(MixerConfig(dim=DIM, num_layers=1, max_length=4, dropout=0.0, relation_dim=0))
    return PreferenceNetwork(
        items, mixer, torch.arange(ITEMS), preference=torch.tensor([0.5, 0.5]), penalty=penalty, concentration=1.0
    ).eval()  # fmt: skip


def test_worked_example_of_non_uniformity():
    """Alike: 0. All of one of two: log 2. Shares 3/4 and 1/4: 3/4 log 3/2 + 1/4 log 1/2."""
    assert non_uniformity(torch.tensor([2.0, 2.0, 2.0])) == pytest.approx(0, abs=1e-6)
    assert non_uniformity(torch.tensor([0.0, 5.0])) == pytest.approx(math.log(2), abs=1e-5)
    wanted = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert non_uniformity(torch.tensor([3.0, 1.0])) == pytest.approx(wanted, abs=1e-6)


def test_the_loss_is_the_preferred_sum_of_means_by_type_and_the_penalty():
    """Three targets of one type and one of the other: each type's mean counts by its part, not by its targets."""
    told, states = network(penalty=0.7), torch.randn(4, DIM, generator=torch.Generator().manual_seed(1))
    vectors, targets = told.items(), torch.tensor([0, 3, 2, 5])
    log_probs = torch.log_softmax(states @ vectors.T, dim=1)[torch.arange(4), targets]
    weights = torch.tensor([1.0, 2.0, 3.0, 1.0])
    of_first = -(weights[:3] * log_probs[:3]).sum() / 6
    parts = torch.stack([0.8 * of_first, -0.2 * log_probs[3]])
    found = told.preferred_loss(
        states, vectors, targets, weights,
        objectives=torch.tensor([0, 0, 0, 1]), preference=torch.tensor([0.8, 0.2]),
    )  # fmt: skip
    assert found.item() == pytest.approx((parts.sum() + 0.7 * non_uniformity(parts)).item(), rel=1e-5)


def test_a_part_of_nothing_has_finite_slopes():
    """A preference may be all of one objective, and a batch may hold targets of the other alone."""
    told = network(penalty=1.0)
    for objectives in ([0, 0, 1], [1, 1, 1]):
        told.zero_grad()
        items, times = torch.zeros(1, 3, dtype=torch.long), torch.zeros(1, 3, dtype=torch.long)
        preference = torch.tensor([1.0, 0.0])
        vectors = told.items()
        states = told.states(vectors, items, times, preference)[0, :3]
        told.preferred_loss(
            states, vectors, torch.tensor([1, 2, 3]), None,
            objectives=torch.tensor(objectives), preference=preference,
        ).backward()  # fmt: skip
        assert all(
            torch.isfinite(weight.grad).all() for weight in told.parameters() if weight.grad is not None
        )


def test_the_preference_is_in_every_state_and_later_events_in_none_before():
    told, vectors = network(), network().items()
    items, times = torch.tensor([[1, 2, 3]]), torch.zeros(1, 3, dtype=torch.long)
    one, other = (told.states(vectors, items, times, torch.tensor(p)) for p in ([1.0, 0.0], [0.0, 1.0]))
    assert ((one - other).abs().amax(dim=-1) > 1e-4).all()
    later = told.states(vectors, torch.tensor([[1, 2, 5]]), times, torch.tensor([1.0, 0.0]))
    np.testing.assert_allclose(later[0, :3].detach(), one[0, :3].detach(), atol=1e-6)
    own = told.states(vectors, items, times)
    np.testing.assert_array_equal(
        own.detach(), told.states(vectors, items, times, torch.tensor([0.5, 0.5])).detach()
    )
