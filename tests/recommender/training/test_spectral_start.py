import numpy as np
import torch

from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.presets import density_of
from components.recommender.sequences import TrainingSequences
from components.recommender.training.spectral_start import spectral_vectors
from tests.recommender.examples import circling, tuples


def test_two_worlds_lie_apart():
    """Users of a, b, c and users of x, y, z share nothing: cosine near 1 within a world, near 0 across."""
    made = TrainingSequences.from_lists(
        [["a", "b", "c"], ["c", "a", "b"], ["x", "y", "z"], ["z", "x", "y"]] * 5
    )
    vectors = spectral_vectors(made, 2, length=1.0, seed=0)
    cosine = vectors @ vectors.T
    assert cosine[:3, :3].min() > 0.99
    assert cosine[3:, 3:].min() > 0.99
    assert np.abs(cosine[:3, 3:]).max() < 0.01


def test_lengths_strangers_and_the_seed():
    """Every item with an event has the length asked for; one without is zero; another seed gives the same space."""
    made = circling(30, 12, 5, seed=0)
    wider = TrainingSequences(
        item_ids=np.append(made.item_ids, "z-cold"), items=made.items, times=made.times, offsets=made.offsets
    )
    vectors, again = (spectral_vectors(wider, 16, length=0.5, seed=seed) for seed in (0, 1))
    np.testing.assert_allclose(np.linalg.norm(vectors[:12], axis=1), 0.5, rtol=1e-5)
    assert (vectors[12] == 0).all()
    assert vectors.shape == (13, 16)
    np.testing.assert_allclose(vectors @ vectors.T, again @ again.T, atol=1e-4)


def test_one_user_or_one_item_has_no_spectrum():
    assert (spectral_vectors(TrainingSequences.from_lists([["a", "b"]]), 4, length=1.0, seed=0) == 0).all()
    assert (spectral_vectors(TrainingSequences.from_lists([["a"], ["a"]]), 4, length=1.0, seed=0) == 0).all()


def test_codes_and_rest_add_up_to_the_start():
    """A code begins at the mean of its items, the free vector at what is left; a cold item is its codes alone."""
    codes = torch.from_numpy(tuples(20, width=3, seed=0))
    wanted = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    wanted[7] = 0
    items = ItemEmbedding(codes, [3, 3, int(codes[:, 2].max()) + 1], 4)
    items.begin_at(wanted)
    vectors = items()
    others = torch.arange(20) != 7
    torch.testing.assert_close(vectors[others], wanted[others])
    assert items.free is not None
    assert (items.free[7] == 0).all()
    first = codes[others, 0] == codes[7, 0]
    torch.testing.assert_close(items.code_vectors()[0][codes[7, 0]], wanted[others][first].mean(dim=0))


def test_density_is_that_of_the_median_user():
    assert density_of(TrainingSequences.from_lists([["a", "b"], ["a"] * 50])) == "dense"
    assert density_of(TrainingSequences.from_lists([["a", "b"], ["a"], ["a"] * 50])) == "sparse"
