"""Item vectors: a NaN stops the run and is named; zeros and repeats are counted, and stopped in bulk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.data.batch import DataContractError
from components.data.contracts.vector_check import ModalityReport, VectorLimits, check_item_vectors

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
    found = check(values, mask, gx_root, limits=VectorLimits(max_zero_share=0.125))
    assert found.modalities == {
        "text": ModalityReport(num_items=10, num_present=8, dim=4, zero_share=1 / 8, duplicate_share=2 / 8)
    }
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
