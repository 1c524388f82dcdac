"""The loss of steps by hand, and how far ahead each looks."""

import pytest
import torch

from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.networks.mixer import MixerConfig
from components.recommender.networks.reasoning_mixer import Reasoning, ReasoningMixer
from components.recommender.networks.reasoning_network import ReasoningNetwork

ITEMS, DIM = 6, 8


def network(**reasoning: int) -> ReasoningNetwork:
    torch.manual_seed(0)
    items = ItemEmbedding(torch.zeros(ITEMS, 0, dtype=torch.long), (), DIM, free=True)
    config = MixerConfig(dim=DIM, num_layers=1, max_length=4, dropout=0.0, relation_dim=0)
    mixer = ReasoningMixer(config, Reasoning(**reasoning))
    return ReasoningNetwork(items, mixer, torch.arange(ITEMS)).eval()


def test_worked_example_of_horizons():
    """9 = 9^(2/2), 3 = 9^(1/2), 1 = 9^0; of one step the next event alone; of 5 in three steps √5 = 2.2 is 2."""
    assert network(num_steps=3, horizon=9).horizons() == [9, 3, 1]
    assert network(num_steps=1, horizon=9).horizons() == [1]
    assert network(num_steps=3, horizon=5).horizons() == [5, 2, 1]


def test_the_loss_is_the_sum_of_the_means_of_states_and_of_each_step():
    """Two windows of three places, and two steps at one place each: five rows of states a window."""
    told, draw = network(num_steps=2), torch.Generator().manual_seed(1)
    states, vectors = torch.randn(2, 5, DIM, generator=draw), told.items()
    targets, weights = torch.tensor([0, 3, 2, 5]), torch.tensor([1.0, 2.0, 3.0, 1.0])
    state_at, thought_at = torch.tensor([0, 1, 5, 7]), torch.tensor([[3, 8], [4, 9]])
    held_to = torch.tensor([[1, 3], [0, 2]])
    log_probs = torch.log_softmax(states.flatten(0, 1) @ vectors.T, dim=1)
    wanted = -(weights * log_probs[state_at, targets]).sum() / 7
    wanted -= (2 * log_probs[3, 3] + 1 * log_probs[8, 5]) / 3
    wanted -= (1 * log_probs[4, 0] + 3 * log_probs[9, 2]) / 4
    found = told.reasoned_loss(
        states, vectors, targets, weights, state_at=state_at, thought_at=thought_at, held_to=held_to
    )
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_lists_are_of_the_last_step():
    told = network(num_steps=3, block_size=1)
    with torch.no_grad():
        told.mixer.steps.normal_(0, 1.0)
        vectors, items = told.items(), torch.tensor([[1, 2, 3], [4, 0, 0]])
        times, length = torch.zeros(2, 3, dtype=torch.long), torch.tensor([3, 1])
        states = told.states(vectors, items, times, length[:, None])
        last = told.last_states(vectors, items, times, length)
    assert states.shape == (2, 4 + 3, DIM)
    torch.testing.assert_close(last, states[:, -1])
    assert not torch.allclose(last, states[:, -2], atol=1e-3)
