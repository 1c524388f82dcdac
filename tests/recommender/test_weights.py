import numpy as np
import pytest
import torch
from torch import nn

from components.recommender.weights import (
    CheckpointMismatch,
    read_arm,
    read_items,
    read_weights,
    write_arm,
    write_items,
    write_weights,
)


def test_what_was_written_comes_back(tmp_path):
    ids = np.array(["a", "b"], dtype=object)
    write_arm(tmp_path / "new", "one", {"depth": 2})
    write_items(tmp_path / "new", ids, {"score": np.array([1.5, 2.5])}, np.array([[1, 2], [3, 4]]))
    assert read_arm(tmp_path / "new") == ("one", {"depth": 2})
    found, columns, codes = read_items(tmp_path / "new")
    assert (found.tolist(), columns["score"].tolist()) == (["a", "b"], [1.5, 2.5])
    assert codes.tolist() == [[1, 2], [3, 4]]
    layer, other = nn.Linear(2, 3), nn.Linear(2, 3)
    write_weights(tmp_path / "new", layer)
    read_weights(tmp_path / "new", other)
    assert torch.equal(layer.weight, other.weight)


def test_files_that_do_not_fit_are_named(tmp_path):
    write_weights(tmp_path, nn.Linear(2, 3))
    with pytest.raises(CheckpointMismatch, match=r"weights\.safetensors: bias is \(3,\), .* ask for \(4,\)"):
        read_weights(tmp_path, nn.Linear(2, 4))
    with pytest.raises(CheckpointMismatch, match=r"bias is \(3,\), .* ask for none"):
        read_weights(tmp_path, nn.Linear(2, 3, bias=False))
    (tmp_path / "item_ids.parquet").write_bytes(b"short")
    with pytest.raises(CheckpointMismatch, match=r"item_ids\.parquet: cannot be read"):
        read_items(tmp_path)
    with pytest.raises(CheckpointMismatch, match=r"arm\.json: not a saved arm"):
        read_arm(tmp_path)
