from dataclasses import replace

import numpy as np
import torch

from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from tests.recommender.examples import SHORT, SMALL_MIXER, circling, histories_of, item_names


def test_learns_who_comes_next():
    """On a circle of 20 items the next one comes first; nobody has an item that no training event names."""
    torch.set_num_threads(1)
    config = DenseConfig(
        mixer=replace(SMALL_MIXER, relation_dim=0),
        training=replace(SHORT, epochs=10, learning_rate=2e-2),
    )
    sequences = circling(60, 20, 10, seed=0)
    arm = train_dense("sasrec", sequences, vocabulary_of(sequences), config, seed=0)
    lists = [[(start + at) % 20 for at in range(5)] for start in range(20)]
    ranked = arm.recommend(histories_of(item_names(20), lists), k=3)
    assert np.mean(ranked.items[:, 0] == (np.arange(20) + 5) % 20) >= 0.95
    assert (arm.name, arm.vocabulary.num_codes) == ("sasrec", ())
