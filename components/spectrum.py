"""Truncated SVD of a scaled user-item matrix: its leading directions over items, each with a sign of its own.

Two solvers, since their callers hold the matrix differently and their digits are pinned by what was trained on them:
Lanczos for a scipy matrix (scipy.sparse.linalg.svds; Lehoucq, Sorensen & Yang 1998), randomized subspace iteration
for a torch operator out of which a direction is projected (Halko, Martinsson & Tropp 2011, arXiv:0909.4061,
algorithm 4.4). Lanczos is exact to rounding; eight iterations on eight spare directions are close to it where the
spectrum falls.

Shapes: the matrix is [user item]; rank = directions asked for, width = directions iterated on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float
from scipy.sparse.linalg import svds
from torch import Tensor

SPARE_DIRECTIONS = 8  # beyond the rank: the last ones wanted converge as the first one left out falls
NUM_ITERATIONS = 8

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Right singular vectors, strongest first; their signs are whatever the solver left."""

    strength: Float[Tensor, "rank"]
    directions: Float[Tensor, "item rank"]


def lanczos_spectrum(matrix: sp.spmatrix, rank: int, start: Float[np.ndarray, "shorter"]) -> Spectrum:
    """By ARPACK, from the vector `start` (as long as the shorter side), in the matrix's own precision.

    `rank` is below both sides of the matrix.
    """
    _, strength, directions = svds(matrix, k=rank, v0=start)
    order = np.argsort(-strength)  # ARPACK gives them in no promised order
    return Spectrum(
        strength=torch.from_numpy(strength[order]), directions=torch.from_numpy(directions[order]).T
    )


def subspace_spectrum(
    to_users: Map, to_items: Map, rank: int, start: Float[Tensor, "item width"], *, without: Map
) -> Spectrum:
    """By subspace iteration from `start`, within what the projection `without` leaves.

    `to_users` multiplies [item width] by the matrix, `to_items` [user width] by its transpose. `width` is at least
    `rank`, at most either side of the matrix.
    """
    basis = start
    for _ in range(NUM_ITERATIONS):
        # orthonormal each time, or every column would turn into the strongest direction
        basis = to_items(to_users(torch.linalg.qr(without(basis)).Q))
    basis = torch.linalg.qr(without(basis)).Q
    basis = without(basis)  # a matrix of less rank leaves QR columns to make up
    _, strength, turned = torch.linalg.svd(to_users(basis), full_matrices=False)
    return Spectrum(strength=strength[:rank], directions=basis @ turned.T[:, :rank])


def oriented(columns: Float[Tensor, "item rank"]) -> Float[Tensor, "item rank"]:
    """Each column with its largest entry positive (the first of equals): solvers may return either sign."""
    peak = columns.gather(0, columns.abs().argmax(dim=0, keepdim=True))
    return columns * torch.where(peak < 0, -1.0, 1.0)
