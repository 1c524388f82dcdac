from dataclasses import replace

import numpy as np
import pytest
import torch

from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import SHORT, SMALL_MIXER, histories_of, item_names

MIXER = replace(SMALL_MIXER, relation_dim=0)


def walking(num_users: int, num_items: int, length: int) -> TrainingSequences:
    """On a circle: one item further in seven cases of ten, else two."""
    rng = np.random.default_rng(0)
    steps = 1 + (rng.random((num_users, length)) < 0.3)
    at = (rng.integers(0, num_items, (num_users, 1)) + steps.cumsum(axis=1)) % num_items
    names = item_names(num_items)
    return TrainingSequences.from_lists([names[row].tolist() for row in at], item_ids=names)


def probabilities(calibration: float) -> np.ndarray:
    """[start, step] sigmoid of the score of the item so many steps further, after one event."""
    torch.set_num_threads(1)
    sequences = walking(300, 20, 9)
    config = DenseConfig(
        mixer=MIXER,
        training=replace(SHORT, epochs=12, batch_size=16),
        loss="gbce",
        num_negatives=4,
        calibration=calibration,
    )
    arm = train_dense("gsasrec", sequences, vocabulary_of(sequences), config, seed=0)
    ranked = arm.recommend(
        histories_of(sequences.item_ids, [[n] for n in range(20)]), k=20, exclude_seen=False
    )
    scores = np.zeros((20, 20))
    np.put_along_axis(scores, ranked.items, ranked.scores, axis=1)
    steps = (np.arange(20)[:, None] + np.arange(20)) % 20
    return 1 / (1 + np.exp(-np.take_along_axis(scores, steps, axis=1)))


def test_scores_are_near_probabilities_where_they_are_calibrated_and_too_sure_where_not():
    """Of all items together 1. Plain BCE against 4 of 19 negatives ends in .92 and .67 in place of .7 and .3."""
    calibrated, plain = probabilities(1.0), probabilities(0.0)
    assert calibrated.sum(axis=1).mean() == pytest.approx(1.0, abs=0.35)
    assert plain.sum(axis=1).mean() > 1.6
    for step, probability in ((1, 0.7), (2, 0.3)):
        assert calibrated[:, step].mean() < probability + 0.1
        assert plain[:, step].mean() > probability + 0.1
    assert (calibrated.argmax(axis=1) == 1).mean() >= 0.9


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ValueError, match="set num_negatives"):
        DenseConfig(mixer=MIXER, loss="gbce")
    with pytest.raises(ValueError, match=r"calibration 1\.5 between 0 and 1"):
        DenseConfig(mixer=MIXER, loss="gbce", num_negatives=4, calibration=1.5)
    with pytest.raises(ValueError, match="loss 'bpr' is softmax or gbce"):
        DenseConfig(mixer=MIXER, loss="bpr")  # type: ignore[arg-type]
