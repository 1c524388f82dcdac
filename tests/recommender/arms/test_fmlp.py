from dataclasses import replace

import torch

from components.recommender.arms.dense_arm import DenseArm, DenseConfig, train_dense
from components.recommender.codes.vocabulary import vocabulary_of
from tests.recommender.examples import SHORT, SMALL_MIXER, repeating, share_continued


def trained(max_length: int) -> DenseArm:
    torch.set_num_threads(1)
    sequences = repeating(200, 20, 12, period=3, seed=0)
    config = DenseConfig(
        mixer=replace(SMALL_MIXER, block="fmlp", relation_dim=0, max_length=max_length),
        training=replace(SHORT, epochs=8, learning_rate=2e-2),
    )
    return train_dense("fmlp", sequences, vocabulary_of(sequences), config, seed=0)


def test_a_filter_finds_the_period_and_one_of_length_1_does_not():
    """The next item is the one three events ago: a filter that reaches that far finds it."""
    long, short = (share_continued(trained(length), 20, 8, period=3) for length in (8, 1))
    assert long >= 0.9
    assert short <= 0.3
