from dataclasses import replace

import numpy as np
import torch

from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import SHORT, SMALL_MIXER, repeating, share_continued


def shuffled(sequences: TrainingSequences) -> TrainingSequences:
    """The same users with the same items at the same times, in no order."""
    rng = np.random.default_rng(0)
    parts = [rng.permutation(part) for part in np.split(sequences.items, sequences.offsets[1:-1])]
    return replace(sequences, items=np.concatenate(parts))


def test_it_carries_the_order_of_events_and_learns_it_from_order_alone():
    """The next item is the one three events ago. Of who learned from the same events in no order, few find it."""
    torch.set_num_threads(1)
    ordered = repeating(400, 8, 12, period=3, seed=0)
    config = DenseConfig(
        mixer=replace(SMALL_MIXER, block="gru", relation_dim=0, dim=32),
        training=replace(SHORT, epochs=14, batch_size=16, start_length=0.0),
    )
    found = [
        share_continued(
            train_dense("gru4rec", sequences, vocabulary_of(sequences), config, seed=0), 8, 8, period=3
        )
        for sequences in (ordered, shuffled(ordered))
    ]
    assert found[0] >= 0.9
    assert found[1] <= 0.6
