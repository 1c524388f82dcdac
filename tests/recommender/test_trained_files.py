import numpy as np
import pytest
from torch import nn

from components.recommender.codes.vocabulary import Vocabulary
from components.recommender.trained_files import read_vocabulary, write_trained
from components.recommender.weights import CheckpointMismatch, read_arm


def test_a_vocabulary_comes_back_with_the_sizes_of_its_tables(tmp_path):
    written = Vocabulary(
        item_ids=np.array(["a", "b"], dtype=object),
        codes=np.array([[0, 1], [2, 0]]),
        is_trained=np.array([True, False]),
        num_codes=(4, 8),
    )
    write_trained(tmp_path, "one", {"depth": 2}, written, nn.Linear(1, 1))
    name, config = read_arm(tmp_path)
    assert (name, config) == ("one", {"depth": 2, "num_codes": [4, 8]})
    found = read_vocabulary(tmp_path, config["num_codes"])
    assert found.num_codes == (4, 8)
    for column in ("item_ids", "codes", "is_trained"):
        assert getattr(found, column).tolist() == getattr(written, column).tolist()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointMismatch, match=r"item_ids\.parquet: cannot be read"):
        read_vocabulary(tmp_path, [4])
