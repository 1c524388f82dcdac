"""Where item vectors begin: the leading directions of who has what, so that training starts near an answer.

A truncated SVD of the user-item matrix, each entry divided by the roots of its user's and item's (smoothed)
degree, as in spectral clustering of a bipartite graph (Dhillon 2001). Its cosine alone ranks the next item about as
well as a linear model; a transformer that starts from noise spends most of its steps on finding it.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float

from components.recommender.sequences import TrainingSequences
from components.spectrum import lanczos_spectrum, oriented

SMOOTHING = 5.0  # added to every degree, so that rare pairs weigh less


def spectral_vectors(
    sequences: TrainingSequences, dim: int, *, length: float, seed: int
) -> Float[np.ndarray, "item dim"]:
    """Vectors of about `length`; zero for items without events, and on directions the data does not have.

    A few seconds for 12,000 items and 150,000 events; memory grows with events and with items x dim.
    """
    ones = np.ones(len(sequences.items), dtype=np.float32)
    shape = (sequences.num_users, sequences.num_items)
    has = sp.csr_matrix((ones, (sequences.user_of_event(), sequences.items)), shape=shape)
    has.data[:] = 1  # an item counts once a user, however often
    users, items = np.asarray(has.sum(axis=1)).ravel(), np.asarray(has.sum(axis=0)).ravel()
    # the root of both degrees: a pair of a busy user and a popular item says little
    scaled = sp.diags((users + SMOOTHING) ** -0.5) @ has @ sp.diags((items + SMOOTHING) ** -0.5)
    rank = min(dim, min(shape) - 1)
    vectors = np.zeros((sequences.num_items, dim), dtype=np.float32)
    if rank < 1:
        return vectors
    start = np.random.default_rng(seed).standard_normal(min(shape))
    spectrum = lanczos_spectrum(scaled, rank, start)
    # weighted by the root of its strength, so that a direction counts as much in a vector as in the matrix
    # (NumPy's root: torch's differs in the last bit, and with it every weight that was trained from this start)
    weight = torch.from_numpy(np.sqrt(spectrum.strength.numpy()))
    found = oriented(spectrum.directions * weight).numpy()
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    vectors[:, :rank] = length * found / np.maximum(lengths, 1e-9)
    vectors[items == 0] = 0
    return vectors
