"""Vectors that the source brings: at length 1, of one width, of one model, and told by the codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.features.encoders.precomputed import (
    PrecomputedEmbedding,
    VectorsChanged,
    fit_precomputed,
    refuse_another_model,
)
from components.features.encoding import EncoderConfig, encode, fit_encoders, load_encoders, save_encoders
from components.features.vectors import encoder_dims
from components.tokenizer import config as presets
from components.tokenizer.fit import fit_tokenizer
from tests.features.rows import items

GIVEN = [np.array([3, 4], dtype=np.float32), None, np.array([0, 0], dtype=np.float32)]


def test_worked_example():
    """[3, 4] has length 5 and becomes [.6, .8]; nothing is missing, and zeros stay zeros."""
    frame = items(title=["a b", "a b", "a b"], vector=GIVEN)
    config = EncoderConfig(modalities=("embedding",))
    vectors = encode(fit_encoders(frame, config, root=None), frame, root=None)
    assert vectors.vectors["embedding"].tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0], [0, 0]]
    assert vectors.present["embedding"].tolist() == [True, False, True]
    assert (vectors.health["embedding"].missing, vectors.health["embedding"].zero) == (1, 1)
    assert vectors.encoders == {"embedding": "precomputed/2"}
    assert encoder_dims(vectors.encoders) == {"embedding": 2}


def test_items_without_vectors_have_no_such_modality():
    assert fit_precomputed(items(title=["a"])) is None
    assert fit_precomputed(items(title=["a"], vector=[None])) is None


def test_the_encoder_stays_for_later_items(tmp_path: Path):
    """Its id is of the width alone, and a later batch without any vector is missing in bulk, not of another space."""
    frame = items(title=["a b", "a b", "a b"], vector=GIVEN)
    save_encoders(fit_encoders(frame, EncoderConfig(modalities=("embedding",)), root=None), tmp_path)
    loaded = load_encoders(tmp_path)
    assert loaded.ids == {"embedding": "precomputed/2"}
    assert not encode(loaded, items(title=["c"]), root=None).present["embedding"].any()


def test_another_width_is_refused_with_what_to_do():
    wide = items(title=["a"], vector=[np.zeros(3, dtype=np.float32)])
    with pytest.raises(
        VectorsChanged, match=r"item '0' has a vector of 3 numbers.*of 2\..*--refit-tokenizer"
    ):
        PrecomputedEmbedding(dim=2).read(wide, None)


def test_another_model_of_the_same_width_is_refused():
    """Vectors of one item before and now: a small change is the same model, a rotation of all is not."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(50, 8)).astype(np.float32)
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0].astype(np.float32)
    before, little, turned = (
        encode(fit_encoders(frame, EncoderConfig(modalities=("embedding",)), root=None), frame, root=None)
        for rows in (first, first + 0.01, first @ rotation)
        for frame in [items(title=["a"] * 50, vector=list(rows))]
    )
    refuse_another_model(before, little)
    refuse_another_model(before, replace(before, item_ids=before.item_ids + "x"))  # no item is of both
    with pytest.raises(VectorsChanged, match=r"of another model.*of 50 items.*--refit-tokenizer"):
        refuse_another_model(before, turned)


def test_codes_tell_which_vectors_are_alike():
    """Eight groups of vectors, of which titles and users know nothing: a group shares its first code far more often.

    Measured: .448 of the pairs within a group share it, .013 of the others; from titles alone .06 of either.
    """
    rng = np.random.default_rng(1)
    group = np.arange(160) % 8
    rows = (rng.normal(size=(8, 16))[group] + 0.15 * rng.normal(size=(160, 16))).astype(np.float32)
    frame = items(title=["work"] * 160, vector=list(rows))
    encoders = fit_encoders(frame, EncoderConfig(modalities=("embedding", "text")), root=None)
    vectors = encode(encoders, frame, root=None)
    edges = np.stack([rng.integers(0, 60, 60), rng.integers(0, 160, 60)])
    fitted = fit_tokenizer(vectors.vectors, vectors.present, edges, 60, presets.quick())
    first, of_row = fitted.codes[:, 0], group[vectors.item_ids.astype(int)]
    same, pair = first[:, None] == first[None, :], np.triu(np.ones((160, 160), dtype=bool), 1)
    alike = of_row[:, None] == of_row[None, :]
    within, across = same[pair & alike].mean(), same[pair & ~alike].mean()
    assert within > 10 * across, (within, across)
