"""Item vectors: a NaN stops the run and is named; zeros and repeats are counted, and stopped in bulk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.data.batch import DataContractError
from components.data.contracts.vector_check import VectorLimits, check_item_vectors

LIMITS = VectorLimits()
IDS = [f"i{n}" for n in range(10)]


def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)


def everything() -> np.ndarray:
    return np.ones(10, dtype=bool)


def check(values, mask, gx_root, *, limits=LIMITS, dims=None):
    return check_item_vectors(
        IDS, {"text": values}, {"text": mask}, gx_root=gx_root, limits=limits, dims=dims
    )


def test_figures_are_of_the_present_vectors_only(gx_root):
    """10 items, 8 present: 1 of 8 zero, 2 of 8 equal to an earlier one; the masked ones may be anything."""
    values, mask = vectors(), everything()
    mask[[0, 1]] = False
    values[0] = np.nan
    values[4] = 0.0
    values[[6, 7]] = values[5]
    values[2], values[3] = [0, 3, 4, 0], [0.03, 0, 0, 0.04]
    found = check(values, mask, gx_root, limits=VectorLimits(max_zero_share=0.125))
    report = found.modalities["text"]
    assert (report.num_items, report.num_present, report.dim) == (10, 8, 4)
    assert (report.zero_share, report.duplicate_share) == (1 / 8, 2 / 8)
    assert (report.missing_share, report.max_norm) == (pytest.approx(0.2), 5.0)
    assert report.min_norm == pytest.approx(0.05)
    assert Path(found.data_docs).exists()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_non_finite_vector_is_named(bad, gx_root):
    image = vectors()
    image[3, 2] = bad
    both = {"text": vectors(), "image": image}
    masks = dict.fromkeys(both, everything())
    with pytest.raises(DataContractError, match="image: 1 of 10 vectors are non-finite; first is item 'i3'"):
        check_item_vectors(IDS, both, masks, gx_root=gx_root, limits=VectorLimits())


def test_too_many_zeros(gx_root):
    values = vectors()
    values[[2, 5]] = 0.0
    with pytest.raises(DataContractError, match="text: 2 of 10 vectors are zero; first is item 'i2'"):
        check(values, everything(), gx_root)


def test_an_encoder_that_says_one_thing_of_everything(gx_root):
    values = np.ones((10, 4), dtype=np.float32)
    with pytest.raises(DataContractError, match="text: 9 of 10 vectors are duplicates; first is item 'i1'"):
        check(values, everything(), gx_root, limits=VectorLimits(max_duplicate_share=0.8))


@pytest.mark.parametrize(
    ("values", "mask", "dims", "says"),
    [
        (vectors()[:9], everything(), None, r"shape \(9, 4\), expected \(10, 4\)"),
        (vectors(), everything(), {"text": 5}, r"shape \(10, 4\), expected \(10, 5\)"),
        (vectors(), everything()[:9], None, r"needs a mask of shape \(10,\)"),
        (vectors(), ~everything(), None, "0 of 10 items have a vector"),
    ],
)
def test_misshapen_vectors(values, mask, dims, says, gx_root):
    with pytest.raises(DataContractError, match=f"text: .*{says}"):
        check(values, mask, gx_root, dims=dims)


def test_no_modality_at_all(gx_root):
    with pytest.raises(DataContractError, match="no item has a vector"):
        check_item_vectors(IDS, {}, {}, gx_root=gx_root, limits=VectorLimits())


def test_limits_that_a_person_can_set_are_named_where_they_are_broken(gx_root):
    """3 of 10 items have nothing, one vector has length 50,000, one 0.01."""
    values, mask = vectors(), everything()
    mask[:3] = False
    with pytest.raises(
        DataContractError, match=r"text: 3 of 10 items have no vector \(30.*--max-missing-share"
    ):
        check(values, mask, gx_root, limits=VectorLimits(max_missing_share=0.29))
    values[4] = [3e4, 4e4, 0, 0]
    with pytest.raises(
        DataContractError, match=r"1 of 7 vectors are too long; first is item 'i4'.*--max-norm"
    ):
        check(values, mask, gx_root)
    values[5] = [0.01, 0, 0, 0]
    loose = VectorLimits(max_norm=1e5, min_norm=0.02)
    with pytest.raises(
        DataContractError, match=r"1 of 7 vectors are too short; first is item 'i5'.*--min-norm"
    ):
        check(values, mask, gx_root, limits=loose)
    check(values, mask, gx_root, limits=VectorLimits(max_norm=1e5, max_missing_share=0.3))


@pytest.mark.parametrize(
    ("limits", "option"),
    [
        ({"max_missing_share": 1.1}, "--max-missing-share"),
        ({"max_zero_share": -0.1}, "--max-zero-share"),
        ({"max_duplicate_share": float("nan")}, "--max-duplicate-share"),
        ({"min_norm": 2.0, "max_norm": 1.0}, "--min-norm"),
        ({"max_norm": float("nan")}, "--max-norm"),
        ({"min_present": 0}, "--min-present"),
    ],
)
def test_limits_that_cannot_be_meant_are_refused_by_their_option(limits, option):
    with pytest.raises(ValueError, match=option):
        VectorLimits(**limits)
