"""Vectors of the trie's nodes: means that a reader can redo, and a world where a code alone cannot tell."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.arms.mmgrec import MMGRecArm, train_mmgrec
from components.recommender.codes.trie import build_trie
from components.recommender.networks.node_vectors import node_vectors
from components.recommender.networks.tuple_scores import tuple_log_probs
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import SHORT, SMALL, histories_of, item_names, trained_arm, tuples


def test_worked_example():
    """Items (0, 0), (0, 1), (1, 0) with vectors 1, 3, 7: the first codes have 2 and 7, the leaves their own."""
    trie = build_trie(np.array([[0, 0], [0, 1], [1, 0]]))
    first, leaves = node_vectors(trie, torch.tensor([[1.0], [3.0], [7.0]])).of_children
    assert first is not None
    assert leaves is not None
    assert first.tolist() == [[2.0], [7.0]]
    assert leaves.tolist() == [[1.0], [3.0], [7.0]]


def test_a_level_without_a_choice_has_none():
    trie = build_trie(np.array([[0, 0], [1, 0]]))
    assert node_vectors(trie, torch.ones(2, 3)).of_children[1] is None


@settings(max_examples=30, deadline=None)
@given(count=st.integers(2, 60), width=st.integers(1, 6), seed=st.integers(0, 999))
def test_a_node_is_the_mean_of_its_items_and_learns_from_each(count, width, seed):
    trie = build_trie(tuples(count, width=width, seed=seed))
    vectors = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    states = torch.randn(3, 4)
    found = node_vectors(trie, vectors)
    for depth, level in enumerate(trie.levels):
        if level.width == 1:
            assert found.of_children[depth] is None
            continue
        below = trie.levels[depth + 1] if depth + 1 < len(trie.levels) else None
        for child in range(len(level.code)):
            run = (
                slice(child, child + 1)
                if below is None
                else slice(below.first_leaf[child], below.last_leaf[child])
            )
            wanted = vectors[trie.items[run]].mean(dim=0)
            torch.testing.assert_close(found.of_children[depth][child], wanted, atol=1e-5, rtol=1e-5)
        child = torch.randint(len(level.code), (3, 2), generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(
            found.scores(states, depth, child), found.scores_of_all(states, depth).gather(1, child)
        )


@pytest.fixture(scope="module")
def by_nodes() -> MMGRecArm:
    return trained_arm(40, config=replace(SMALL, node_vectors=True))


def test_probabilities_sum_to_one_and_the_loss_is_theirs(by_nodes):
    network, states = by_nodes.network, torch.randn(5, 16)
    nodes = network.nodes(network.items(), network.trie)
    log_probs = tuple_log_probs(network.head, network.trie, states, nodes)
    torch.testing.assert_close(log_probs.exp().sum(dim=1), torch.ones(5))
    targets = torch.tensor([0, 3, 7, 20, 39])
    leaf = network.trie.leaf_of_item(40)[targets]
    wanted = -log_probs[torch.arange(5), leaf].mean()
    torch.testing.assert_close(network.tuple_loss(states, targets, None, nodes), wanted)


def test_beams_that_keep_everything_find_what_exact_scoring_does(by_nodes):
    asked = histories_of(item_names(40), [[1, 2, 3], [5], [], list(range(12))])
    exact = by_nodes.decoding("exact").recommend(asked, k=12)
    beam = by_nodes.decoding("beam", beam_size=64).recommend(asked, k=12)
    np.testing.assert_array_equal(beam.items, exact.items)
    np.testing.assert_allclose(beam.scores, exact.scores, atol=1e-5)


def test_a_code_that_stands_under_many_prefixes_is_told_apart_by_its_node():
    """36 items are all tuples of 6 x 6 codes, dealt at random; whoever had item n takes one of three drawn for n next.

    Of two of them, (a, b) and (c, d), a score of codes alone likes (a, d) and (c, b) as well, all of which are items,
    and a hidden layer of one unit cannot make up for it. A node (a, b) has a vector of its own.
    """
    torch.set_num_threads(1)
    draw, count = np.random.default_rng(0), 36
    names = item_names(count)
    follows = np.stack([draw.permutation(count) for _ in range(3)], axis=1)
    dealt = draw.permutation(count)
    codes = np.stack([dealt // 6, dealt % 6, np.zeros(count, dtype=np.int64)], axis=1)
    lists = [[names[n], names[one]] for n in range(count) for one in follows[n] for _ in range(4)]
    sequences = TrainingSequences.from_lists(lists, [[0, 60]] * len(lists), item_ids=names)
    asked = histories_of(names, [[n] for n in range(count)])

    def share_right(node_vectors: bool) -> float:
        mixer = replace(SMALL.mixer, dim=32, relation_dim=0)
        config = replace(
            SMALL, head_hidden=1, training=replace(SHORT, epochs=30), mixer=mixer, node_vectors=node_vectors
        )
        arm = train_mmgrec(sequences, codes, config, seed=0).decoding("exact")
        ranked = arm.recommend(asked, k=3, exclude_seen=False).items
        return float((ranked[:, :, None] == follows[:, None, :]).any(axis=2).mean())

    assert share_right(True) >= 0.9
    assert share_right(False) <= 0.8
