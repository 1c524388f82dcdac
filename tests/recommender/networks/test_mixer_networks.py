"""Likelihoods over the trie of trained items, and what is left out of both softmaxes."""

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.codes.trie import build_trie
from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.networks.mixer import Mixer, MixerConfig
from components.recommender.networks.mixer_networks import DenseNetwork, GenerativeNetwork
from components.recommender.networks.tuple_head import TupleHead
from components.recommender.networks.tuple_scores import tuple_log_probs
from tests.recommender.decoding.test_beam import random_head, random_states
from tests.recommender.examples import tuples


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 60), width=st.integers(1, 6), seed=st.integers(0, 999))
def test_tuple_likelihoods_sum_to_one(count, width, seed):
    codes = tuples(count, width=width, seed=seed)
    with torch.inference_mode():
        exact = tuple_log_probs(random_head(codes, seed), build_trie(codes), random_states(4, seed))
    assert exact.shape == (4, count)
    torch.testing.assert_close(exact.exp().sum(dim=1), torch.ones(4), atol=1e-5, rtol=0)


def networks(codes: np.ndarray, trained: list[int]) -> tuple[DenseNetwork, GenerativeNetwork]:
    sizes = [int(size) for size in codes.max(axis=0) + 1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        items = ItemEmbedding(torch.from_numpy(codes), sizes, 8)
        mixer = Mixer(MixerConfig(dim=8, num_layers=1, max_length=4, relation_dim=0))
        dense = DenseNetwork(items, mixer, torch.tensor(trained))
        head = TupleHead(sizes, 8, 8, 0.0)
        with torch.no_grad():
            for weight in head.parameters():
                weight.normal_(0, 1)
    is_trained = np.isin(np.arange(len(codes)), trained)
    trie = build_trie(codes, is_trained)
    return dense, GenerativeNetwork(dense, head, trie, tuple_weight=0.3, dense_weight=1.0).eval()


def test_the_dense_loss_is_over_trained_items_alone():
    codes = tuples(9, width=3, seed=0)
    dense, _ = networks(codes, [0, 2, 5, 8])
    states, vectors = random_states(3, 1), dense.items()
    loss = dense.loss(states, vectors, torch.tensor([5, 0, 8]))
    wanted = F.cross_entropy(states @ vectors[[0, 2, 5, 8]].T, torch.tensor([2, 0, 3]))
    torch.testing.assert_close(loss, wanted)


def test_the_generative_loss_is_the_weighted_sum_of_both():
    """The tuple's part is minus the mean exact log P of the targets' tuples."""
    codes = tuples(9, width=3, seed=0)
    dense, both = networks(codes, [0, 2, 5, 8])
    states, targets = random_states(3, 1), torch.tensor([5, 0, 8])
    vectors = both.items()
    leaf = both.trie.leaf_of_item(9)[targets]
    exact = tuple_log_probs(both.head, both.trie, states)[torch.arange(3), leaf]
    wanted = dense.loss(states, vectors, targets) - 0.3 * exact.mean()
    torch.testing.assert_close(both.loss(states, vectors, targets), wanted)
    mixed = both.log_scores(states, vectors)  # what ranks on validation: the losses' shares of both
    share = 1 / 1.3
    again = share * (states @ vectors[dense.trained].T)
    again += (1 - share) * tuple_log_probs(both.head, both.trie, states)[
        :, both.trie.leaf_of_item(9)[dense.trained]
    ]
    torch.testing.assert_close(mixed, again)


def test_the_trie_goes_where_the_weights_go():
    _, both = networks(tuples(9, width=3, seed=0), [0, 2])
    assert both.to("meta").trie.items.device.type == "meta"


def test_weight_2_counts_as_the_target_twice_in_dense_sampled_and_tuple_loss():
    codes = tuples(9, width=3, seed=0)
    for negatives in (0, 2):
        dense, both = networks(codes, [0, 2, 5, 8])
        dense.num_negatives = negatives
        states, targets, vectors = random_states(3, 1), torch.tensor([5, 0, 8]), both.items()
        often = torch.tensor([0, 1, 1, 2])
        losses = []
        for rows, weights in ((often, None), (torch.arange(3), torch.tensor([0.5, 1.0, 0.5]))):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(3)  # the same negatives
                losses.append(both.loss(states[rows], vectors, targets[rows], weights))
        torch.testing.assert_close(losses[0], losses[1])
        assert not torch.isclose(losses[0], both.loss(states, vectors, targets))
