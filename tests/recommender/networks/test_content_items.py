from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.content_vectors import ContentVectors
from components.recommender.networks import content_items
from components.recommender.networks.content_items import Content, ContentItems, principal_components

IS_TRAINED = np.arange(12) < 9


def content(*, width: int = 6, seed: int = 0) -> ContentVectors:
    """The last item has none."""
    vectors = np.random.default_rng(seed).standard_normal((12, width)).astype(np.float32)
    vectors[-1] = 0
    return ContentVectors(vectors=vectors, space="text=drawn")


def items(*, hidden: int = 0, free: bool = True) -> ContentItems:
    torch.manual_seed(0)
    made = ContentItems(torch.from_numpy(IS_TRAINED), 6, 4, Content(components=5, hidden=hidden), free=free)
    made.read(content(), IS_TRAINED)
    return made


def test_worked_example():
    """Of (0, 1), (0, 3), (2, 2) the mean is (2/3, 2); they vary along the first axis by 8/9, the second by 2/3."""
    vectors = np.array([[0, 1], [0, 3], [2, 2], [9, 9]], dtype=np.float32)
    mean, basis = principal_components(vectors, np.array([True, True, True, False]), 3)
    np.testing.assert_allclose(mean, [2 / 3, 2], rtol=1e-6)
    scale = (8 / 9 + 2 / 3) ** -0.5
    np.testing.assert_allclose(basis, [[scale, 0, 0], [0, scale, 0]], atol=1e-6)


@given(seed=st.integers(0, 2**16), count=st.integers(1, 8), rows=st.integers(1, 12))
def test_components_are_the_leading_ones_and_of_mean_length_one(seed, count, rows):
    """Whatever is left out varies least; and read in pieces they are the same."""
    drawn = np.random.default_rng(seed).standard_normal((12, 6)).astype(np.float32)
    chosen = np.arange(12) < rows
    mean, basis = principal_components(drawn, chosen, count)
    read = (drawn[chosen] - mean.numpy()) @ basis.numpy()
    if rows == 1:
        assert not read.any()
        return
    np.testing.assert_allclose((read**2).sum(axis=1).mean(), 1, rtol=1e-3)
    variance = (read**2).mean(axis=0)
    assert (np.diff(variance) <= 1e-4).all()
    spread = np.linalg.svd(drawn[chosen] - drawn[chosen].mean(axis=0), compute_uv=False) ** 2
    kept = min(count, 6, rows - 1)
    np.testing.assert_allclose(variance[:kept], (spread / spread[:kept].sum())[:kept], atol=1e-3)


def test_content_is_read_in_pieces_to_the_same(monkeypatch: pytest.MonkeyPatch):
    whole = items()
    monkeypatch.setattr(content_items, "ROWS", 5)
    assert torch.allclose(items().content, whole.content, atol=1e-5)


@pytest.mark.parametrize("hidden", [0, 7])
def test_an_item_is_its_projection_and_its_own_vector(hidden):
    """All at once or some; settled, they are the same, and what is without events has no vector of its own."""
    made = items(hidden=hidden)
    assert not made.free[~IS_TRAINED].any()
    assert made.free[IS_TRAINED].any(dim=1).all()
    every, some = made(), torch.tensor([11, 3])
    torch.testing.assert_close(made.of(some, made.free[some]), every[some])
    assert torch.equal(every[11], made.project(torch.zeros(1, 5))[0])
    made.settle()
    assert made.content is None
    torch.testing.assert_close(made(), every)
    torch.testing.assert_close(made.of(some, made.free[some]), every[some])
    assert "content" not in made.state_dict()


def test_what_content_says_of_the_start_is_the_projections_and_the_rest_is_free(
    monkeypatch: pytest.MonkeyPatch,
):
    """Vectors that are linear in content leave no rest (but for the penalty, which is taken away here)."""
    monkeypatch.setattr(content_items, "RIDGE", 1e-6)
    made = items()
    linear = made.content @ torch.randn(5, 4, generator=torch.Generator().manual_seed(1)) + 1.0
    linear[~IS_TRAINED] = 0
    made.begin_at(linear)
    torch.testing.assert_close(made()[IS_TRAINED], linear[IS_TRAINED], atol=1e-4, rtol=1e-4)
    assert made.free.abs().max() < 1e-3
    other = linear.clone()
    other[3] += 1
    made.begin_at(other)
    torch.testing.assert_close(made()[IS_TRAINED], other[IS_TRAINED], atol=1e-4, rtol=1e-4)
    assert not made.free[~IS_TRAINED].any()
    assert made.free.abs().max() > 0.05, "what content cannot say is there"


def test_components_of_an_earlier_arm_are_kept():
    """A later catalogue has other components of its own; its projection would mean something else by them."""
    first, second = items(), items()
    second.read(content(seed=3), IS_TRAINED)
    assert not torch.allclose(second.basis, first.basis)
    second.read(content(seed=3), IS_TRAINED, before=first)
    assert torch.equal(second.basis, first.basis)
    expected = (content(seed=3).vectors - first.mean.numpy()) @ first.basis.numpy()
    np.testing.assert_allclose(second.content[:-1], expected[:-1], atol=1e-5)
    assert not second.content[-1].any()


def test_a_shape_that_makes_no_sense_is_refused():
    for wrong in ({"components": 0}, {"hidden": -1}):
        with pytest.raises(ValueError, match="is 1 or more"):
            replace(Content(), **wrong)
