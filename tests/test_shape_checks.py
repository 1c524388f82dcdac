"""A shape that a signature promises is checked while tests run."""

from __future__ import annotations

import os

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from components.tokenizer.modalities import TokenizerInputError, check_edges
from tests.shape_checks import OFF

THREE_ROWS = np.zeros((3, 2), dtype=np.int64)  # edges are [2 edge]


@pytest.mark.skipif(OFF in os.environ, reason=f"{OFF} is set")
def test_a_wrong_shape_is_refused_by_its_signature() -> None:
    with pytest.raises(TypeCheckError, match="check_edges"):
        check_edges(THREE_ROWS, num_items=1, num_users=1)


@pytest.mark.wrong_shapes
def test_a_test_that_is_marked_meets_the_refusal_of_the_code_itself() -> None:
    with pytest.raises(TokenizerInputError, match="edges are"):
        check_edges(THREE_ROWS, num_items=1, num_users=1)
