"""Health figures, and matrices that come back as they went."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.features.vectors import (
    ItemVectors,
    ModalityHealth,
    encoder_dims,
    load_matrices,
    modality_health,
    save_vectors,
    unit_rows,
)


def test_health_worked_example():
    """Rows: a, a again, zero, NaN, missing. Of 4 present rows one repeats another: a quarter."""
    vectors = np.array([[1, 2], [1, 2], [0, 0], [np.nan, 1], [0, 0]], dtype=np.float32)
    present = np.array([True, True, True, True, False])
    assert modality_health(vectors, present) == ModalityHealth(
        items=5, missing=1, zero=1, non_finite=1, duplicate_share=0.25
    )


def test_health_of_nothing():
    health = modality_health(np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=bool))
    assert health == ModalityHealth(items=0, missing=0, zero=0, non_finite=0, duplicate_share=0.0)


def test_unit_rows_keeps_zero_rows_and_does_not_overflow():
    rows = unit_rows(np.array([[3, 4], [0, 0], [1e30, 0]], dtype=np.float32))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)


def test_matrices_come_back_by_modality(tmp_path: Path):
    """A modality may have a dot in its name, and a matrix may be a view that is not contiguous."""
    wide = np.arange(12, dtype=np.float32).reshape(2, 6)
    vectors = ItemVectors(
        item_ids=np.array(["a", "b"], dtype=object),
        vectors={"text.v2": wide[:, ::2], "image": wide[:, :1]},
        present={"text.v2": np.array([True, False]), "image": np.array([True, True])},
        encoders={},
        health={},
    )
    assert vectors.modalities == ("image", "text.v2")
    save_vectors(vectors, tmp_path / "v.safetensors")
    matrices, masks = load_matrices(tmp_path / "v.safetensors")
    assert {name: matrix.tolist() for name, matrix in matrices.items()} == {
        "image": [[0.0], [6.0]], "text.v2": [[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]],
    }  # fmt: skip
    assert {name: mask.tolist() for name, mask in masks.items()} == {
        "image": [True, True],
        "text.v2": [True, False],
    }


def test_widths_are_read_from_the_ids_that_encoders_have():
    """As the text, image, metadata and audio encoders name themselves; an id without a width states none."""
    named = {"text": "wordllama-0.4.0/256", "image": "efficientnet-lite0/1280px64", "audio": "logmel-16k/128"}
    named |= {"metadata": "metadata/64@0123abc4567", "other": "some-encoder"}
    assert encoder_dims(named) == {"text": 256, "image": 1280, "audio": 128, "metadata": 64}
