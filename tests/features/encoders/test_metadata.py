"""Metadata: tokens, the share of a year between decades, and words of the fit alone."""

from __future__ import annotations

import numpy as np
import pytest

from components.features.encoders.metadata import fit_metadata, item_tokens
from tests.features.rows import items


@pytest.mark.parametrize(
    ("title", "decades"),
    [
        ("Heat (1995)", {"decade:1990": 0.5, "decade:2000": 0.5}),
        ("Alien (1980)", {"decade:1980": 1.0}),
        ("2001: A Space Odyssey", {}),
        (None, {}),
    ],
)
def test_a_year_is_shared_between_its_decades(title, decades):
    assert dict(item_tokens(title, None, None)) == pytest.approx(decades)


def test_worked_example():
    """Three items, tokens a (3 of them), b (2); c is held by one only and falls out.

    idf a = ln(4/4) + 1 = 1, idf b = ln(4/3) + 1 = 1.2877; item 0 (a, b) to length 1: (.6134, .7898).
    """
    frame = items(categories=["a|b", "a|c", "b|a"])
    encoder = fit_metadata(frame, dim=8, min_count=2, seed=0)
    assert encoder is not None
    assert encoder.vocabulary == ("category:a", "category:b")
    vectors = encoder.encode(encoder.read(frame, None).values).vectors
    np.testing.assert_allclose(vectors, [[0.6134, 0.7898], [1, 0], [0.6134, 0.7898]], atol=1e-4)


def test_wide_metadata_is_reduced_and_keeps_who_is_near():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 40)
    drawn = ["|".join(f"t{g}-{i}" for i in rng.choice(20, 8, replace=False)) for g in group]
    frame = items(attributes=drawn)
    encoder = fit_metadata(frame, dim=3, min_count=2, seed=0)
    assert encoder is not None
    assert encoder.dim == 3
    vectors = encoder.encode(encoder.read(frame, None).values).vectors
    same = group[:, None] == group[None, :]
    similarity = vectors @ vectors.T
    assert similarity[same].min() > similarity[~same].max()


def test_an_attribute_is_not_a_category_of_the_same_name():
    assert item_tokens(None, "x", None) != item_tokens(None, None, "x")


def test_nothing_shared_gives_no_encoder():
    assert fit_metadata(items(categories=["a", "b"]), dim=8, min_count=2, seed=0) is None
