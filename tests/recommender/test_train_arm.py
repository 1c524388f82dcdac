from typing import get_args

import numpy as np
import pytest
import torch

from components.recommender.arm import SEMANTIC_ID_ARMS, ArmName
from components.recommender.codes.vocabulary import CodeOutOfRange
from components.recommender.loading import load_arm
from components.recommender.train_arm import train_challenger
from tests.recommender.examples import circling, histories_of, tuples

SEQUENCES = circling(20, 24, 8, seed=0)
CODES = tuples(24, width=3, seed=0)
SIZES = [4, 4, 8]


@pytest.mark.parametrize("name", get_args(ArmName))
def test_every_challenger_trains_and_comes_back_from_disk(name, tmp_path):
    """With the sizes of the tokenizer's tables, which are larger than the codes in use."""
    torch.set_num_threads(1)
    arm = train_challenger(name, SEQUENCES, CODES, SIZES, quick=True, seed=0)
    arm.save(tmp_path)
    histories = histories_of(SEQUENCES.item_ids, [[0, 1, 2], [5], []])
    wanted, found = arm.recommend(histories, k=5), load_arm(tmp_path).recommend(histories, k=5)
    np.testing.assert_array_equal(found.items, wanted.items)
    assert (wanted.items >= 0).all()


@pytest.mark.parametrize("name", get_args(ArmName))
def test_only_those_that_read_codes_look_at_them(name):
    """Codes that no table holds stop an arm that reads them, and mean nothing to the others."""
    torch.set_num_threads(1)
    if name in SEMANTIC_ID_ARMS:
        with pytest.raises(CodeOutOfRange, match="the arm knows 1"):
            train_challenger(name, SEQUENCES, CODES, [1, 1, 1], quick=True, seed=0)
    else:
        assert train_challenger(name, SEQUENCES, CODES, [1, 1, 1], quick=True, seed=0).name == name
