"""The training set: users and items in ascending order, whatever order they came in, under one name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.artifact import ArtifactDamaged, ArtifactRef, verified
from components.features.trainingset import keeps_types, load_training_set, publish_training_set
from components.features.vectors import ItemVectors

ROWS = pa.table(
    {
        "user_id": ["ü", "b"],
        "item_ids": [["i1", "i0", "i1"], []],
        "times": [[10, 20, 20], []],
    }
)
VECTORS = ItemVectors(
    item_ids=np.array(["i0", "i1"], dtype=object),
    vectors={"text": np.array([[1, 2], [0, 0]], dtype=np.float32)},
    present={"text": np.array([True, False])},
    encoders={"text": "some-encoder"},
    health={},
)


def _publish(root: Path, rows: pa.Table = ROWS) -> ArtifactRef:
    return publish_training_set(root, rows=rows, vectors=VECTORS, parents={"feature_set": "f" * 64})


def test_it_comes_back_by_user(tmp_path: Path):
    ref = _publish(tmp_path)
    loaded = load_training_set(ref)
    assert loaded.user_ids.tolist() == ["b", "ü"]
    assert loaded.item_lists == [[], ["i1", "i0", "i1"]]
    assert loaded.time_lists == [[], [10, 20, 20]]
    assert loaded.item_ids.tolist() == ["i0", "i1"]
    assert loaded.vectors["text"].tolist() == [[1, 2], [0, 0]]
    assert loaded.present["text"].tolist() == [True, False]
    manifest = verified(ref.path)
    assert (ref.kind, manifest["parents"]) == ("training_set", {"feature_set": "f" * 64})
    assert manifest["config"] == {"encoders": {"text": "some-encoder"}}


def test_the_order_of_the_rows_is_not_in_its_name_and_their_content_is(tmp_path: Path):
    digest = _publish(tmp_path).digest
    assert _publish(tmp_path / "again", ROWS.take([1, 0])).digest == digest
    assert _publish(tmp_path, ROWS.set_column(2, "times", [[[10, 20, 21], []]])).digest != digest


def test_a_changed_byte_is_refused(tmp_path: Path):
    ref = _publish(tmp_path)
    path = Path(ref.path) / "sequences.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ArtifactDamaged, match=r"sequences\.parquet"):
        load_training_set(ref)


def test_event_types_are_kept_where_they_are_weighed_and_change_nothing_else(tmp_path: Path):
    rows = ROWS.append_column("event_types", [[["view", "buy", "view"], []]])
    plain = publish_training_set(tmp_path, rows=rows, vectors=VECTORS, parents={"feature_set": "f" * 64})
    assert plain.digest == _publish(tmp_path).digest
    kept = publish_training_set(
        tmp_path, rows=rows, vectors=VECTORS, parents={"feature_set": "f" * 64}, with_types=True
    )
    loaded = load_training_set(kept)
    assert loaded.type_lists == [[], ["view", "buy", "view"]]
    assert loaded.weight_lists({"view": 0.2}) == [[], [0.2, 1.0, 0.2]]
    assert loaded.weight_lists({}) is None
    assert (keeps_types(plain), keeps_types(kept)) == (False, True)
    with pytest.raises(ValueError, match="keeps no event types"):
        load_training_set(plain).weight_lists({"view": 0.2})
