import json

import numpy as np
import pytest
import torch

from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.loading import load_arm
from components.recommender.weights import CheckpointMismatch
from tests.recommender.examples import SHORT, SMALL_MIXER, circling, histories_of, trained_arm


def test_a_changed_arm_is_refused(tmp_path):
    trained_arm(40).save(tmp_path)
    saved = json.loads((tmp_path / "arm.json").read_text())

    def written(change: dict) -> None:
        (tmp_path / "arm.json").write_text(json.dumps(saved | change))

    written({"config": saved["config"] | {"head_hidden": 5}})
    with pytest.raises(CheckpointMismatch, match=r"head\.from_prefix\.0 is \(0, 16\), .* ask for \(0, 5\)"):
        load_arm(tmp_path)
    written({"config": saved["config"] | {"wings": 2}})
    with pytest.raises(CheckpointMismatch, match="does not fit this version"):
        load_arm(tmp_path)
    written({"name": "oracle"})
    with pytest.raises(CheckpointMismatch, match="'oracle' is not one that"):
        load_arm(tmp_path)
    written({})
    (tmp_path / "weights.safetensors").write_bytes(b"short")
    with pytest.raises(CheckpointMismatch, match="cannot be read"):
        load_arm(tmp_path)
    (tmp_path / "arm.json").unlink()
    with pytest.raises(CheckpointMismatch, match="not a saved arm"):
        load_arm(tmp_path)


@pytest.mark.parametrize("kind", ["mmgrec", "sasrec"])
def test_an_arm_saved_with_a_field_that_meant_nothing_still_loads(kind, tmp_path):
    """Older files say start_length beside `training` too, where nobody read it."""
    torch.set_num_threads(1)
    sequences = circling(30, 40, 12, seed=0)
    arm = (
        trained_arm(40)
        if kind == "mmgrec"
        else train_dense(
            "sasrec",
            sequences,
            vocabulary_of(sequences),
            DenseConfig(mixer=SMALL_MIXER, training=SHORT),
            seed=0,
        )
    )
    arm.save(tmp_path)
    saved = json.loads((tmp_path / "arm.json").read_text())
    assert "start_length" not in saved["config"]
    saved["config"]["start_length"] = 1.0
    (tmp_path / "arm.json").write_text(json.dumps(saved))
    asked = histories_of(sequences.item_ids, [[1, 2], []])
    np.testing.assert_array_equal(
        load_arm(tmp_path).recommend(asked, k=5).scores, arm.recommend(asked, k=5).scores
    )


def test_an_arm_without_a_later_setting_is_written_as_before_it_came(tmp_path):
    """One more name, written as null, would change the digest of every bundle, and older code refuses it."""
    sequences = circling(30, 20, 12, seed=0)
    config = DenseConfig(mixer=SMALL_MIXER, training=SHORT)
    train_dense("sasrec", sequences, vocabulary_of(sequences), config, seed=0).save(tmp_path)
    assert set(json.loads((tmp_path / "arm.json").read_text())["config"]) == {
        "mixer", "training", "loss", "num_negatives", "calibration", "free_vectors", "free_dropout", "cloze", "graph",
        "num_codes",
    }  # fmt: skip
