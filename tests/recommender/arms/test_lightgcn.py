from dataclasses import replace

import numpy as np
import torch

from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.loading import load_arm
from components.recommender.networks.graph_network import Graph
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import SHORT, SMALL_MIXER, histories_of, item_names

GROUPS, SIZE = 6, 20  # of items; a user has three of one group


def taken(num_users: int, seed: int) -> np.ndarray:
    """[user, 3] items of one group each: of the 190 pairs that a group has, few are had by anybody together."""
    rng = np.random.default_rng(seed)
    within = rng.permuted(np.tile(np.arange(SIZE), (num_users, 1)), axis=1)[:, :3]
    return SIZE * rng.integers(0, GROUPS, (num_users, 1)) + within


def trained(hops: int) -> DenseArm:
    torch.set_num_threads(1)
    names = item_names(GROUPS * SIZE)
    sequences = TrainingSequences.from_lists(names[taken(150, seed=0)].tolist(), item_ids=names)
    config = DenseConfig(
        mixer=replace(SMALL_MIXER, relation_dim=0),
        training=replace(SHORT, epochs=3, start_length=0.0),
        graph=Graph(hops=hops),
    )
    return train_dense("lightgcn", sequences, vocabulary_of(sequences), config, seed=0)


def share_of_the_group(hops: int) -> float:
    """Of ten items for who has two of a group, how many are of the group."""
    asked = taken(100, seed=1)[:, :2]
    ranked = trained(hops).recommend(histories_of(item_names(GROUPS * SIZE), asked.tolist()), k=10)
    return float(np.mean(ranked.items // SIZE == asked[:, :1] // SIZE))


def test_items_that_nobody_had_together_are_near_by_a_hop_and_without_one_nobody_knows():
    """From noise, and in so few steps that vectors of their own have hardly learned."""
    shares = [share_of_the_group(hops) for hops in (0, 1, 2)]
    assert shares[0] <= 0.7
    assert min(shares[1:]) >= 0.95


def test_its_files_tell_nothing_of_who_had_what(tmp_path):
    """They hold the items' vectors and what an item counts, and what is read from them ranks the same."""
    arm = trained(1)
    arm.save(tmp_path)
    loaded = load_arm(tmp_path)
    assert loaded.network.items.graph is None
    assert {name: tuple(tensor.shape) for name, tensor in loaded.network.state_dict().items()} == {
        "items.tables": (0, 16),
        "items.free": (120, 16),
        "items.settled": (120, 16),
        "items.settled_share": (120, 1),
        "mixer.start": (16,),
    }
