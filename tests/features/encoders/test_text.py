"""Text: near texts are near, and a text's vector is its own, whatever else is encoded."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from components.features.encoders.text import WordLlamaText, fit_tfidf, item_texts
from tests.features.rows import items

FILMS = [
    "space ship crew fights an alien monster",
    "an alien monster hunts the crew of a space ship",
    "two people fall in love in Paris",
    "a love story of two people in Paris and Rome",
]


def test_the_text_of_an_item_joins_what_it_has():
    frame = items(title=["Heat (1995)", None], categories=["Action|Crime", None], description=[None, " "])
    assert item_texts(frame) == ["Heat (1995). Action Crime", ""]


def test_near_texts_are_near():
    vectors = WordLlamaText().encode(FILMS).vectors
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > similarity[0, 2] + 0.2
    assert similarity[2, 3] > similarity[1, 3] + 0.2
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_a_text_is_encoded_alike_in_any_company():
    encoder = WordLlamaText()
    alone = np.concatenate([encoder.encode([text]).vectors for text in FILMS])
    crowd = encoder.encode([*FILMS[::-1], "word " * 500] * 100).vectors
    assert np.array_equal(crowd[:4], alone[::-1])


@pytest.mark.parametrize("text", ["🙂" * 10, "שלום", "a\0b", "\ud800", "x" * 1_000_000, "'; DROP TABLE"])
def test_odd_texts_give_finite_vectors(text):
    content = WordLlamaText().read(items(title=[text]), None)
    vectors = WordLlamaText().encode([value for value in content.values if value]).vectors
    assert np.isfinite(vectors).all()


def test_the_root_logger_is_left_as_it_was():
    before = (logging.getLogger().level, logging.getLogger().handlers[:])
    WordLlamaText().encode(["x"])
    assert (logging.getLogger().level, logging.getLogger().handlers[:]) == before


def test_tfidf_knows_only_what_it_was_fitted_on():
    """Every word that new text shares with the fit counts; a text of other words is zero."""
    encoder = fit_tfidf(items(title=FILMS), dim=2, max_words=100, seed=0)
    assert encoder is not None
    vectors = encoder.encode([FILMS[0], "alien monster", "unheard words"]).vectors
    assert vectors.shape == (3, 2)
    assert vectors[0] @ vectors[1] > 0.9
    assert not vectors[2].any()


def test_tfidf_of_nothing_shared_is_none():
    assert fit_tfidf(items(title=["one", "two"]), dim=2, max_words=9, seed=0) is None
    assert fit_tfidf(items(title=[None, "two"]), dim=2, max_words=9, seed=0) is None
