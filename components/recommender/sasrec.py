"""SASRec with full softmax: the baseline that a generative arm has to face.

Source: Kang and McAuley 2018, arXiv:1808.09781, trained by cross-entropy over all items at every real target
(the loss matters more than the architecture), over the same mixer and training as the generative arm.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

from components.recommender.arm import Histories, Ranked
from components.recommender.item_vectors import ItemVectors
from components.recommender.mixer import Mixer, MixerConfig
from components.recommender.network import DenseNetwork
from components.recommender.requests import request_batches, seen_columns, usable_items, vocabulary_rows
from components.recommender.sequences import TrainingSequences
from components.recommender.top import top_columns
from components.recommender.training import OnStep, TrainingConfig, fit, seeded
from components.recommender.weights import (
    read_items,
    read_weights,
    write_arm,
    write_items,
    write_weights,
)

NAME = "sasrec"


@dataclass(frozen=True, kw_only=True)
class SASRecConfig:
    mixer: MixerConfig = field(default_factory=lambda: MixerConfig(relation_dim=0))
    training: TrainingConfig = field(default_factory=TrainingConfig)


def train_sasrec(
    sequences: TrainingSequences, config: SASRecConfig, *, seed: int, on_step: OnStep | None = None
) -> SASRecArm:
    """Train SASRec on the items that occur. Raises TrainingDiverged when the loss is no number."""
    is_trained = np.bincount(sequences.items, minlength=sequences.num_items) > 0
    with seeded(seed):
        network = _network(is_trained, config)
        fit(
            network,
            sequences,
            config.training,
            max_length=config.mixer.max_length,
            seed=seed,
            on_step=on_step,
        )
    return SASRecArm(item_ids=sequences.item_ids, is_trained=is_trained, config=config, network=network)


def _network(is_trained: Bool[np.ndarray, "item"], config: SASRecConfig) -> DenseNetwork:
    items = ItemVectors(torch.zeros(len(is_trained), 0, dtype=torch.long), [], config.mixer.dim)
    return DenseNetwork(items, Mixer(config.mixer), torch.from_numpy(np.flatnonzero(is_trained)))


class SASRecArm:
    """A trained SASRec. Items without a training event have no vector worth a score: never returned."""

    name = NAME

    def __init__(
        self,
        *,
        item_ids: np.ndarray,
        is_trained: Bool[np.ndarray, "item"],
        config: SASRecConfig,
        network: DenseNetwork,
    ) -> None:
        self.item_ids, self.is_trained = item_ids, is_trained
        self.config, self.network = config, network.eval()

    @torch.inference_mode()
    def recommend(
        self,
        histories: Histories,
        *,
        k: int,
        candidates: Bool[np.ndarray, "I"] | None = None,
        exclude_seen: bool = True,
    ) -> Ranked:
        rows = vocabulary_rows(histories.catalogue, self.item_ids)
        rows[~self.is_trained[rows]] = -1
        usable = usable_items(rows, candidates)
        num_columns = len(usable.positions)
        items = np.full((len(histories), k), -1, dtype=np.int64)
        scores = np.full((len(histories), k), -np.inf, dtype=np.float32)
        if num_columns == 0:
            return Ranked(items=items, scores=scores)
        vectors = self.network.items()
        for batch in request_batches(
            histories, rows, max_length=self.config.mixer.max_length, num_columns=num_columns
        ):
            states = self.network.states(vectors, batch.items, batch.times)
            dense = states[torch.arange(len(states)), batch.length] @ vectors[usable.rows].T
            if exclude_seen:
                seen = seen_columns(histories, batch.requests, usable.column, num_columns)
                dense = dense.masked_fill(seen, -torch.inf)
            at, values = top_columns(dense, k)
            items[batch.requests] = np.where(at < 0, -1, usable.positions[at])
            scores[batch.requests] = values
        return Ranked(items=items, scores=scores)

    def save(self, folder: Path) -> None:
        write_arm(folder, self.name, asdict(self.config))
        write_weights(folder, self.network)
        no_codes = np.zeros((len(self.item_ids), 0), dtype=np.int64)
        write_items(folder, self.item_ids, {"is_trained": self.is_trained}, no_codes)


def load_sasrec(folder: Path, config: dict[str, Any]) -> SASRecArm:
    """The arm that `save` wrote. Raises CheckpointMismatch."""
    parsed = SASRecConfig(mixer=MixerConfig(**config["mixer"]), training=TrainingConfig(**config["training"]))
    item_ids, columns, _ = read_items(folder)
    network = _network(columns["is_trained"], parsed)
    read_weights(folder, network)
    return SASRecArm(item_ids=item_ids, is_trained=columns["is_trained"], config=parsed, network=network)
