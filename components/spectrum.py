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
from scipy.linalg import svd
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh
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

    `rank` is below both sides of the matrix. Holds: the same input gives the same digits. They are those of
    scipy.sparse.linalg.svds, step by step, but for a matrix with fewer distinct singular values than ARPACK iterates
    on: it then goes on from random vectors, and svds lets nobody say which.
    """
    of_users = aslinearoperator(matrix)
    if is_tall := matrix.shape[0] >= matrix.shape[1]:
        over, back, over_all, back_all = of_users.matvec, of_users.rmatvec, of_users.matmat, of_users.rmatmat
    else:
        over, back, over_all, back_all = of_users.rmatvec, of_users.matvec, of_users.rmatmat, of_users.matmat
    gram = LinearOperator(
        shape=(len(start), len(start)),
        matvec=lambda x: back(over(x)),
        matmat=lambda x: back_all(over_all(x)),
        dtype=of_users.dtype,
    )
    _, found = eigsh(gram, k=rank, v0=start, rng=np.random.default_rng(0))
    found, _ = np.linalg.qr(found)  # ARPACK's are not quite orthogonal where singular values are alike
    left, strength, right = svd(over_all(found), full_matrices=False, overwrite_a=True)
    left, strength, right = left[:, ::-1], strength[::-1], right[::-1]
    directions = right @ found.T if is_tall else left.T
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
