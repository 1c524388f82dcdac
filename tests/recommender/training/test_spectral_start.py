import numpy as np

from components.recommender.sequences import TrainingSequences
from components.recommender.training.spectral_start import spectral_vectors
from tests.recommender.examples import circling


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
