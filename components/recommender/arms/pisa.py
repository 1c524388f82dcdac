"""PISA's memory beside a transformer: what a user took often, and lately, comes back.

ACT-R's base-level activation of an item is ln of A = sum over its events of (time since)^-d: it grows with how often,
and falls with how long ago, by a power of time. It stands beside the scores of SASRec as another expert (a product of
experts, Hinton 1999), with a floor under A for what was never taken:

    score of an item = state · item vector + activation_weight · ln((A + LEAST) / LEAST)

So an item that is new to the user has SASRec's score, and where seen items are left out the lists are SASRec's. Any
item comes back, however few events it has in training, as its vector has no say in A.

Source: Tran et al. 2024 (PISA), arXiv:2408.16578, base-level activation alone; ACT-R as in Anderson et
al. 2004. There activations weigh the tracks of a session before a transformer reads it, with two more parts of ACT-R
(spreading, partial matching); histories here have no sessions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.compute import ON_CPU, Compute
from components.recommender.arm import Histories, OnRanked, Ranked
from components.recommender.arms.dense_arm import DenseArm, load_dense, train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import Vocabulary
from components.recommender.decoding.candidates import CandidateItems, CatalogueRows
from components.recommender.decoding.requests import RequestBatch, rank_by_score
from components.recommender.event_runs import flat_runs
from components.recommender.networks.mixer_networks import DenseNetwork
from components.recommender.sequences import TrainingSequences
from components.recommender.trained_files import write_trained
from components.recommender.training.step import OnStep

NAME = "pisa"
LEAST = 0.01  # of A, for an item that was never taken: one event of a year ago has as much at d = .5
HOUR = 3600.0  # seconds


@dataclass(frozen=True, kw_only=True)
class PisaConfig(DenseConfig):
    """SASRec as a dense arm is configured, and what is remembered beside it."""

    activation_weight: float = 1.0
    decay: float = 0.5  # d

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation_weight < 0 or self.decay < 0:
            raise ValueError(
                f"activation_weight is {self.activation_weight}, decay {self.decay}; neither is below 0"
            )


def train_pisa(
    sequences: TrainingSequences,
    vocabulary: Vocabulary,
    config: PisaConfig,
    *,
    seed: int,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: PisaArm | None = None,
) -> PisaArm:
    """Train the transformer; activation has nothing to be trained. Raises what `train_dense` raises."""
    dense = train_dense(
        "sasrec",
        sequences,
        vocabulary,
        config,
        seed=seed,
        compute=compute,
        on_step=on_step,
        checkpoint=checkpoint,
        begin=None if begin is None else begin.dense,
    )
    return PisaArm(dense=dense, config=config)


class PisaArm:
    """A trained transformer, and the activation of what a history holds. Its weights change no more."""

    name = NAME

    def __init__(self, *, dense: DenseArm, config: PisaConfig) -> None:
        self.dense, self.config = dense, config
        self._rows = CatalogueRows(dense.vocabulary.item_ids, dense.has_vector)

    @property
    def vocabulary(self) -> Vocabulary:
        return self.dense.vocabulary

    @property
    def network(self) -> DenseNetwork:
        return self.dense.network

    def on(self, compute: Compute) -> PisaArm:
        """The same weights, moved to where they rank from now on. Raises DeviceUnavailable."""
        return PisaArm(dense=self.dense.on(compute), config=self.config)

    def remembering(self, **settings: float) -> PisaArm:
        """The same weights with another `activation_weight` or `decay`."""
        return PisaArm(dense=self.dense, config=replace(self.config, **settings))  # type: ignore[arg-type]

    @torch.inference_mode()
    def recommend(
        self,
        histories: Histories,
        *,
        k: int,
        candidates: Bool[np.ndarray, "I"] | None = None,
        exclude_seen: bool = True,
        on_step: OnRanked | None = None,
    ) -> Ranked:
        rows, vectors = self._rows.of(histories.catalogue), self.dense.vectors

        def score(batch: RequestBatch, allowed: CandidateItems) -> Float[Tensor, "B C"]:
            wanted = allowed.once("vectors", lambda: vectors[allowed.rows.to(vectors.device)])
            scores = self.dense.states(batch) @ wanted.T
            if not exclude_seen:  # else whatever is remembered is left out
                row, column, activation = self._activated(histories, batch.requests, allowed)
                scores[row.to(scores.device), column.to(scores.device)] += activation.to(scores)
            return scores

        return rank_by_score(
            score,
            histories,
            rows,
            k=k,
            candidates=candidates,
            allowed=self._rows.allowed(rows, candidates),
            exclude_seen=exclude_seen,
            on_step=on_step,
            max_length=self.config.mixer.max_length,
        )

    def _activated(
        self, histories: Histories, requests: Int[np.ndarray, "B"], allowed: CandidateItems
    ) -> tuple[Int[Tensor, "N"], Int[Tensor, "N"], Float[Tensor, "N"]]:
        """Request, column and what its score gains, of every candidate in each whole history, once.

        Time is counted from the latest event of the history, and an hour more, so that it has an activation too.
        """
        row, event = flat_runs(histories.start[requests], histories.end[requests])
        column = allowed.column[histories.items[event]]
        latest = histories.times[histories.end[requests][row] - 1]
        hours = (latest - histories.times[event]) / HOUR + 1
        kept = column >= 0
        width = np.int64(len(allowed.positions))
        pairs, place = np.unique(row[kept] * width + column[kept], return_inverse=True)
        activation = np.bincount(place, weights=hours[kept] ** -self.config.decay, minlength=len(pairs))
        gain = self.config.activation_weight * np.log1p(activation / LEAST)
        return torch.from_numpy(pairs // width), torch.from_numpy(pairs % width), torch.from_numpy(gain)

    def save(self, folder: Path) -> None:
        write_trained(folder, self.name, asdict(self.config), self.vocabulary, self.network)


def load_pisa(folder: Path, config: dict[str, Any], compute: Compute = ON_CPU) -> PisaArm:
    """The arm that `save` wrote. Raises CheckpointMismatch, DeviceUnavailable."""
    own = {name: config.pop(name) for name in ("activation_weight", "decay")}
    dense = load_dense(folder, "sasrec", config, compute)
    read = {one.name: getattr(dense.config, one.name) for one in fields(DenseConfig)}
    return PisaArm(dense=dense, config=PisaConfig(**read, **own))
