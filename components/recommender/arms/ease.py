"""EASE: a linear model of items on items in closed form; minutes of training become seconds of algebra.

Source: Steck 2019, arXiv:1905.03375, equation 8: with P = (X'X + lambda I)^-1, B = I - P / diag(P). Memory grows
with the square of the items (12,000 items: 0.6 GB, twice that while inverting), so it is for catalogues of that
size. Training reads a history as a set. Asked for a list, `fading` weighs an item by how many events lie between it and
the end (Choi et al. 2021, SLIST, arXiv:2103.16104, section 4.4: weights by recency at inference); 1 is EASE's set.

Where events have weights, X still says who had what, and what is predicted is Y, the largest weight of a user's events
with an item: B minimises ||Y - XB||² + lambda ||B||² with a diagonal of zero, so B = P X'Y - P diag(diag(P X'Y) /
diag(P)) (the same derivation; with Y = X it is the one above). It takes twice the memory.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.linalg import lapack
from torch import Tensor

from components.recommender.arm import Histories, OnRanked, Ranked
from components.recommender.decoding.candidates import CandidateItems, CatalogueRows
from components.recommender.decoding.requests import RequestBatch, rank_by_score
from components.recommender.event_runs import flat_runs
from components.recommender.sequences import TrainingSequences
from components.recommender.weights import (
    REMOVE,
    WEIGHTS,
    CheckpointMismatch,
    read_items,
    write_arm,
    write_items,
)

NAME = "ease"


@dataclass(frozen=True, kw_only=True)
class EASEConfig:
    regularization: float = 250.0  # added to every item's count of users
    fading: float = 1.0  # of an event's weight for each event that came after it

    def __post_init__(self) -> None:
        if not 0 < self.fading <= 1:
            raise ValueError(
                f"fading is {self.fading}; it lies above 0 and at most at 1, which forgets nothing"
            )
        if not self.regularization > 0:
            raise ValueError(
                f"regularization is {self.regularization}; it is above 0, or nothing can be inverted"
            )


def fit_ease(sequences: TrainingSequences, config: EASEConfig) -> EASEArm:
    """Solve for the item-item weights on the items that occur."""
    present = np.flatnonzero(np.bincount(sequences.items, minlength=sequences.num_items))
    column = np.full(sequences.num_items, -1)
    column[present] = np.arange(len(present))
    ones = np.ones(len(sequences.items), dtype=np.float32)
    shape = (sequences.num_users, len(present))
    has = sp.csr_matrix((ones, (sequences.user_of_event(), column[sequences.items])), shape=shape)
    has.data[:] = 1  # an item counts once a user, however often
    gram = np.asarray((has.T @ has).todense(), dtype=np.float32, order="F")
    gram[np.diag_indices_from(gram)] += config.regularization
    # in place: of the lower triangle alone, which Cholesky and the inverse from it leave filled
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
    inverse, failed_too = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise ValueError(
            f"the item-item matrix of {len(present)} items cannot be inverted (regularization "
            f"{config.regularization}): train another arm with --challenger"
        )
    # the inverse fills one triangle; the diagonal stays out, since B's is zero
    lower = np.tril(inverse, -1)
    weights = lower + lower.T
    if sequences.weights is None:
        # B = I - P / diag(P) off the diagonal: -P over the column's own entry
        weights /= -np.diag(inverse)
    else:
        np.fill_diagonal(weights, np.diag(inverse))
        weights = _towards_weights(weights, has, _largest_weights(sequences, column, shape))
    return EASEArm(item_ids=sequences.item_ids[present], weights=np.ascontiguousarray(weights), config=config)


def _largest_weights(
    sequences: TrainingSequences, column: np.ndarray, shape: tuple[int, int]
) -> sp.csr_matrix:
    """Y: of each user and item the largest weight of their events."""
    assert sequences.weights is not None
    pair = sequences.user_of_event() * np.int64(shape[1]) + column[sequences.items]
    pairs, place = np.unique(pair, return_inverse=True)
    largest = np.zeros(len(pairs), dtype=np.float32)
    np.maximum.at(largest, place, sequences.weights)
    return sp.csr_matrix((largest, (pairs // shape[1], pairs % shape[1])), shape=shape)


def _towards_weights(
    inverse: Float[np.ndarray, "item item"], has: sp.csr_matrix, wanted: sp.csr_matrix
) -> Float[np.ndarray, "item item"]:
    """B = P X'Y - P diag(gamma); gamma makes the diagonal zero."""
    found: np.ndarray = inverse @ np.asarray((has.T @ wanted).todense(), dtype=np.float32)
    found -= inverse * (np.diag(found) / np.diag(inverse))
    np.fill_diagonal(found, 0)
    return found


class EASEArm:
    """Scores of an item: the sum of its weights from the items of the history."""

    name = NAME

    def __init__(
        self, *, item_ids: np.ndarray, weights: Float[np.ndarray, "item item"], config: EASEConfig
    ) -> None:
        self.item_ids, self.weights, self.config = item_ids, weights, config
        self._rows = CatalogueRows(item_ids)

    def recommend(
        self,
        histories: Histories,
        *,
        k: int,
        candidates: Bool[np.ndarray, "I"] | None = None,
        exclude_seen: bool = True,
        on_step: OnRanked | None = None,
    ) -> Ranked:
        def score(batch: RequestBatch, allowed: CandidateItems) -> Float[Tensor, "B C"]:
            return torch.from_numpy(self.scores(histories, batch.requests))[:, allowed.rows]

        return rank_by_score(
            score,
            histories,
            self._rows.of(histories.catalogue),
            k=k,
            candidates=candidates,
            exclude_seen=exclude_seen,
            on_step=on_step,
        )

    def scores(self, histories: Histories, requests: Int[np.ndarray, "B"]) -> Float[np.ndarray, "B item"]:
        """Of each of its items at these requests; zero where the history is empty, or names no item it knows."""
        row, event = flat_runs(histories.start[requests], histories.end[requests])
        items = self._rows.of(histories.catalogue)[histories.items[event]]
        # the latest first: an item counts once, however often it was taken, and by its latest event
        known = np.flatnonzero(items >= 0)[::-1]
        row, items, event = row[known], items[known], event[known]
        _, kept = np.unique(row * np.int64(len(self.item_ids)) + items, return_index=True)
        back = histories.end[requests][row[kept]] - 1 - event[kept]
        has = sp.csr_matrix(
            (np.float32(self.config.fading) ** back.astype(np.float32), (row[kept], items[kept])),
            shape=(len(requests), len(self.item_ids)),
        )
        scores: Float[np.ndarray, "B item"] = has @ self.weights
        return scores

    def save(self, folder: Path) -> None:
        write_arm(folder, self.name, asdict(self.config))
        save_file({"weights": self.weights}, folder / WEIGHTS)
        write_items(folder, self.item_ids, {}, np.zeros((len(self.item_ids), 0), dtype=np.int64))


def load_ease(folder: Path, config: dict[str, Any]) -> EASEArm:
    """The arm that `save` wrote. Raises CheckpointMismatch."""
    item_ids, _, _ = read_items(folder)
    try:
        weights = load_file(folder / WEIGHTS)["weights"]
    except (OSError, SafetensorError) as error:
        raise CheckpointMismatch(f"{folder / WEIGHTS}: cannot be read ({error}); {REMOVE}") from error
    if weights.shape != (len(item_ids), len(item_ids)):
        raise CheckpointMismatch(
            f"{folder / WEIGHTS}: weights are {weights.shape} for {len(item_ids)} items. Weights and items ship "
            f"as one set: {REMOVE}"
        )
    return EASEArm(item_ids=item_ids, weights=weights, config=EASEConfig(**config))
