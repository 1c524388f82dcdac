"""Token counts to vectors: weights by hand, rows of length 1, and each row on its own."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from components.features.encoders.projection import fit_projection


def _counts(rows) -> sp.csr_matrix:
    return sp.csr_matrix(np.array(rows, dtype=np.float32))


def test_worked_example():
    """Three items, the first token in all: ln(4/4) + 1 = 1; the second in one: ln(4/2) + 1 = 1.6931.

    Item 0 (1, 1): (1, 1.6931) to length 1 is (.5086, .8610).
    """
    projection = fit_projection(_counts([[1, 1], [1, 0], [2, 0]]), dim=2, seed=0)
    assert projection.components is None
    assert projection.idf.tolist() == pytest.approx([1.0, 1.6931], abs=1e-4)
    vectors = projection.apply(_counts([[1, 1], [2, 0], [0, 0]]))
    np.testing.assert_allclose(vectors, [[0.5086, 0.8610], [1, 0], [0, 0]], atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1_000), dim=st.integers(1, 30))
def test_rows_have_length_one_and_do_not_depend_on_their_company(seed, dim):
    counts = np.random.default_rng(seed).integers(0, 3, (25, 12)).astype(np.float32)
    counts[3] = 0
    projection = fit_projection(_counts(counts), dim=dim, seed=0)
    assert projection.dim == min(dim, 12)
    together = projection.apply(_counts(counts))
    assert together.dtype == np.float32
    lengths = np.linalg.norm(together, axis=1)
    assert lengths[3] == 0
    np.testing.assert_allclose(lengths[counts.any(axis=1)], 1, rtol=1e-5)
    alone = projection.apply(_counts(counts[7:8]))
    np.testing.assert_allclose(alone[0], together[7], atol=1e-6)


def test_the_digest_is_of_what_was_fitted():
    counts = np.random.default_rng(0).integers(0, 3, (25, 12))
    one, again = (fit_projection(_counts(counts), dim=4, seed=1).digest() for _ in range(2))
    assert one == again
    assert fit_projection(_counts(counts[:-1]), dim=4, seed=1).digest() != one
    assert fit_projection(_counts(counts), dim=5, seed=1).digest() != one
