from dataclasses import replace

import torch

from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.networks import mixer
from components.recommender.networks.filter_block import FilterBlock
from tests.recommender.examples import SHORT, SMALL_MIXER, repeating, share_continued


def trained() -> DenseArm:
    torch.set_num_threads(1)
    sequences = repeating(200, 20, 12, period=3, seed=0)
    config = DenseConfig(
        mixer=replace(SMALL_MIXER, block="fmlp", relation_dim=0),
        training=replace(SHORT, epochs=8, learning_rate=2e-2),
    )
    return train_dense("fmlp", sequences, vocabulary_of(sequences), config, seed=0)


def test_a_filter_finds_the_period_and_one_that_reaches_back_one_place_does_not(monkeypatch):
    """The next item is the last but two, of the same histories: a filter that reaches that far finds it."""
    whole = share_continued(trained(), 20, 8, period=3)
    monkeypatch.setattr(mixer, "FilterBlock", lambda dim, places, dropout: FilterBlock(dim, 2, dropout))
    short = trained()
    assert len(short.network.mixer.blocks[0].kernel) == 2
    assert whole >= 0.9
    assert share_continued(short, 20, 8, period=3) <= 0.3
