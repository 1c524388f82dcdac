from dataclasses import replace

import numpy as np
import pytest
import torch

from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.networks.cloze_network import Cloze
from tests.recommender.examples import SHORT, SMALL_MIXER, circling, histories_of, repeating, share_continued

MIXER = replace(SMALL_MIXER, relation_dim=0, bidirectional=True)


def trained(*, position: bool) -> DenseArm:
    torch.set_num_threads(1)
    sequences = repeating(400, 20, 9, period=3, seed=0)
    config = DenseConfig(
        mixer=replace(MIXER, position=position, dim=32),
        training=replace(SHORT, epochs=20, batch_size=16),
        cloze=Cloze(),
    )
    return train_dense("bert4rec", sequences, vocabulary_of(sequences), config, seed=0)


def test_gaps_teach_what_comes_next_by_the_places_of_items():
    """The next item is the one three events ago; without places a history is a set of three items."""
    placed, unplaced = (share_continued(trained(position=one), 20, 8, period=3) for one in (True, False))
    assert placed >= 0.9
    assert unplaced <= 0.6


def test_mixer_and_objective_belong_together():
    for mixer, cloze in ((MIXER, None), (replace(MIXER, bidirectional=False), Cloze())):
        with pytest.raises(ValueError, match="set both, or neither"):
            DenseConfig(mixer=mixer, cloze=cloze)
    with pytest.raises(ValueError, match="only plain attention is bidirectional"):
        replace(MIXER, block="hstu")


def test_early_stopping_ranks_held_out_events_by_masks_behind_histories():
    """On a circle of 20 items: evaluated every other epoch, ever better, and the next item is found in the end."""
    torch.set_num_threads(1)
    sequences = circling(60, 20, 10, seed=0)
    told: list[float] = []
    arm = train_dense(
        "bert4rec",
        sequences,
        vocabulary_of(sequences),
        DenseConfig(mixer=MIXER, training=replace(SHORT, epochs=30, validation="last"), cloze=Cloze()),
        seed=0,
        on_step=lambda step: told.extend([step.validation_ndcg] * (step.validation_ndcg is not None)),
    )
    assert len(told) > 2
    assert told[0] < max(told)
    assert max(told) >= 0.9
    lists = [[(start + at) % 20 for at in range(5)] for start in range(20)]
    first = arm.recommend(histories_of(sequences.item_ids, lists), k=1).items[:, 0]
    assert np.mean(first == (np.arange(20) + 5) % 20) >= 0.9
