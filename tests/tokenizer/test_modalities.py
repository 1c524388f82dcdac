"""What is refused at the door, and what missing means."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from components.tokenizer.modalities import (
    TokenizerInputError,
    check_edges,
    check_modalities,
    fit_standards,
    standardize,
)


def test_standardize_worked_example():
    """Present rows 1 and 5: mean 3, root mean square distance 2, so (5 - 3)/2 = 1. The missing row is 0, bit 0."""
    vectors = {"a": np.array([[1.0], [5.0], [99.0]], dtype=np.float32)}
    present = {"a": np.array([True, True, False])}
    content, bits = standardize(vectors, present, fit_standards(vectors, present))
    assert content.flatten().tolist() == [-1.0, 1.0, 0.0]
    assert bits.flatten().tolist() == [1.0, 1.0, 0.0]


def test_a_missing_vector_may_hold_anything():
    vectors = {"a": np.array([[1.0], [np.nan]], dtype=np.float32), "b": np.ones((2, 2), dtype=np.float32)}
    present = {"a": np.array([True, False]), "b": np.array([False, False])}
    assert check_modalities(vectors, present) == 2
    content, _ = standardize(vectors, present, fit_standards(vectors, present))
    assert torch.isfinite(content).all()
    assert (content[1] == 0).all()


def test_modalities_are_ordered_by_name_not_by_the_mapping():
    vectors = {"b": np.array([[1.0], [3.0]]), "a": np.array([[8.0], [0.0]])}
    present = {"b": np.ones(2, dtype=bool), "a": np.ones(2, dtype=bool)}
    standards = fit_standards(vectors, present)
    one, _ = standardize(vectors, present, standards)
    swapped = dict(reversed(vectors.items()))
    other, _ = standardize(swapped, present, dict(reversed(standards.items())))
    assert torch.equal(one, other)


def test_a_non_finite_vector_is_named_by_modality_and_row():
    vectors = {"text": np.zeros((4, 2), dtype=np.float32)}
    vectors["text"][2, 1] = np.inf
    with pytest.raises(TokenizerInputError, match=r"modality text: 1 of 4 vectors .* row 2"):
        check_modalities(vectors, {"text": np.ones(4, dtype=bool)})


@pytest.mark.parametrize(
    ("vectors", "present", "message"),
    [
        ({}, {}, "at least one modality"),
        (
            {"a": np.zeros((2, 3))},
            {"b": np.ones(2, dtype=bool)},
            r"vectors hold \['a'\], present holds \['b'\]",
        ),
        ({"a": np.zeros((2, 3))}, {"a": np.ones(3, dtype=bool)}, "do not describe 3 items"),
        ({"a": np.zeros((2, 3))}, {"a": np.ones(2)}, "float64 do not describe 2 items"),
        ({"a": np.zeros(2)}, {"a": np.ones(2, dtype=bool)}, r"vectors \(2,\)"),
    ],
)
@pytest.mark.wrong_shapes
def test_shapes_that_do_not_fit_are_refused(vectors, present, message):
    with pytest.raises(TokenizerInputError, match=message):
        check_modalities(vectors, present)


def test_other_encoders_than_those_of_the_fit_are_refused():
    fitted = {"text": np.zeros((2, 3), dtype=np.float32)}
    mask = {"text": np.ones(2, dtype=bool)}
    wider = {"text": np.zeros((2, 4), dtype=np.float32)}
    with pytest.raises(TokenizerInputError, match=r"fitted on \{'text': 3\} .* \{'text': 4\}"):
        standardize(wider, mask, fit_standards(fitted, mask))


def test_edges_come_back_distinct_and_by_user():
    assert check_edges(np.array([[1, 0, 1], [0, 2, 0]]), 3, 2).tolist() == [[0, 1], [2, 0]]


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (np.array([[0, 2], [0, 0]]), "edge 1 names user 2, but there are 2 users"),
        (np.array([[0, 1], [-1, 0]]), "edge 0 names item -1, but there are 3 items"),
        (np.zeros((3, 2), dtype=np.int64), r"edges are \(3, 2\)"),
        (np.zeros((2, 2)), "float64"),
    ],
)
@pytest.mark.wrong_shapes
def test_edges_that_point_nowhere_are_refused(edges, message):
    with pytest.raises(TokenizerInputError, match=message):
        check_edges(edges, 3, 2)
