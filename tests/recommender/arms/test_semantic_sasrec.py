from dataclasses import replace

import numpy as np
import pytest
import torch

from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.semantic_sasrec import train_semantic_sasrec
from components.recommender.codes.vocabulary import CodeOutOfRange
from tests.recommender.examples import SHORT, SMALL_MIXER, circling, histories_of, item_names, tuples

CONFIG = DenseConfig(
    mixer=replace(SMALL_MIXER, relation_dim=0), training=replace(SHORT, epochs=10, learning_rate=2e-2)
)
CODES = tuples(20, width=3, seed=0)


def test_learns_who_comes_next():
    torch.set_num_threads(1)
    arm = train_semantic_sasrec(circling(60, 20, 10, seed=0), CODES, CONFIG, seed=0)
    lists = [[(start + at) % 20 for at in range(5)] for start in range(20)]
    ranked = arm.recommend(histories_of(item_names(20), lists), k=3)
    assert np.mean(ranked.items[:, 0] == (np.arange(20) + 5) % 20) >= 0.95


def test_codes_must_lie_within_the_tables():
    with pytest.raises(CodeOutOfRange, match="the arm knows 2"):
        train_semantic_sasrec(circling(5, 20, 8, seed=0), CODES, CONFIG, seed=0, num_codes=[2, 3, 8])
