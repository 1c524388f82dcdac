"""Arms that score every item by its vector: a mixer's state · item vector. SASRec, HSTU and others are presets.

The baseline that a generative arm has to face is SASRec (Kang and McAuley 2018, arXiv:1808.09781) by cross-entropy over
all items at every real target: the loss matters more than the architecture.

With codes, an item's vector is the sum of its code embeddings (and a free one, if asked): the control that
tells what codes as input bring and what generation adds, and an arm that can rank items without any event. So can one
that reads content: there an item's vector is a learned function of what it is (and a free one, if asked).
"""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.compute import ON_CPU, Compute
from components.content_vectors import ContentVectors
from components.recommender.arm import Histories, OnRanked, Ranked
from components.recommender.arms.dense_config import DenseConfig, DenseName, read_dense_config
from components.recommender.arms.dense_network import dense_network
from components.recommender.carried_weights import carried_over
from components.recommender.codes.vocabulary import Vocabulary, extended, forgetting, with_more_content
from components.recommender.decoding.candidates import CandidateItems, CatalogueRows
from components.recommender.decoding.requests import RequestBatch, rank_by_score
from components.recommender.networks.content_items import ContentItems
from components.recommender.networks.graph_network import GraphNetwork
from components.recommender.networks.item_embedding import grown_free_vectors
from components.recommender.networks.mixer_networks import DenseNetwork
from components.recommender.networks.propagated_items import Propagated
from components.recommender.sequences import TrainingSequences
from components.recommender.trained_files import (
    CONTENT_SPACE,
    CONTENT_WIDTH,
    NEW_ITEM_OFFSET,
    read_vocabulary,
    write_trained,
)
from components.recommender.training.fit import fit, seeded
from components.recommender.training.step import OnStep
from components.recommender.training.training_graph import training_graph
from components.recommender.weights import read_weights


def train_dense(
    name: DenseName,
    sequences: TrainingSequences,
    vocabulary: Vocabulary,
    config: DenseConfig,
    *,
    seed: int,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: DenseArm | None = None,
    content: ContentVectors | None = None,
) -> DenseArm:
    """Train on the items that occur, from the weights of `begin` if there is one.

    `content`, of a config that reads it, has the rows of the vocabulary that was made with it.
    Raises TrainingDiverged when the loss is no number, CannotBeginThere where `begin` does not fit.
    """
    with seeded(seed):
        network = dense_network(vocabulary, config)
        if isinstance(network, GraphNetwork):
            network.items.graph = training_graph(sequences, config.training)
        weights = None if begin is None else carried_over(begin, vocabulary, network)
        if isinstance(network.items, ContentItems):
            assert content is not None
            before = None if begin is None else begin.network.items
            network.items.read(content, vocabulary.is_trained, cast(ContentItems | None, before))
        fit(
            network,
            sequences,
            config.training,
            max_length=config.mixer.max_length,
            seed=seed,
            compute=compute,
            on_step=on_step,
            checkpoint=checkpoint,
            begin=weights,
        )
        if isinstance(network.items, Propagated | ContentItems):
            network.items.settle()
    return DenseArm(name=name, vocabulary=vocabulary, config=config, network=network)


class DenseArm:
    """A trained dense arm: its weights change no more.

    An item with neither a training event nor codes or content has no vector: never returned. `new_item_offset` is added
    to the scores of those without events.
    """

    def __init__(
        self,
        *,
        name: str,
        vocabulary: Vocabulary,
        config: DenseConfig,
        network: DenseNetwork,
        compute: Compute = ON_CPU,
        new_item_offset: float = 0.0,
    ) -> None:
        self.name = name
        self.new_item_offset = new_item_offset
        self.compute, self.device = compute, compute.usable_device()
        self.vocabulary, self.config, self.network = vocabulary, config, network.to(self.device).eval()
        self._rows = CatalogueRows(vocabulary.item_ids, self.has_vector)

    @cached_property
    def vectors(self) -> Float[Tensor, "item dim"]:
        with torch.inference_mode():
            return self.network.items()

    @property
    def reads_codes(self) -> bool:
        return self.vocabulary.codes.shape[1] > 0

    @property
    def has_vector(self) -> Bool[np.ndarray, "item"]:
        known = self.vocabulary.is_trained | self.reads_codes
        return known if self.vocabulary.has_content is None else known | self.vocabulary.has_content

    @property
    def content_space(self) -> str:
        """The encoders whose vectors it reads; "" for an arm that reads none."""
        return self.vocabulary.content_space

    def with_ids(self, item_ids: np.ndarray, codes: Int[np.ndarray, "new level"]) -> DenseArm:
        """The same weights over more items, each of them its codes. Raises as `vocabulary.extended` does."""
        grown = extended(self.vocabulary, item_ids, codes)
        return self._over(grown.vocabulary, grown.row_before)

    def with_content(self, item_ids: np.ndarray, content: ContentVectors) -> DenseArm:
        """The same weights over more items, each of them what its content comes to; known ones stay as they are.

        Raises ValueError for content of another space, or an item twice.
        """
        grown, new = with_more_content(self.vocabulary, item_ids, content)
        arm = self._over(grown.vocabulary, grown.row_before)
        items = arm.network.items
        assert isinstance(items, ContentItems)
        order = new[np.argsort(item_ids[new], kind="stable")]
        with torch.inference_mode():
            told = items.project(items.reduced(content.of(order)).to(arm.device))
            items.projected[torch.from_numpy(grown.row_before < 0)] = told
        return arm

    def as_if_new(self, chosen: Bool[np.ndarray, "item"]) -> DenseArm:
        """The same weights, these items without an event and a vector of their own: what they would be as new ones."""
        return self._over(*forgetting(self.vocabulary, chosen), same_items=True)

    def _over(
        self, vocabulary: Vocabulary, row_before: Int[np.ndarray, "item"], *, same_items: bool = False
    ) -> DenseArm:
        network = dense_network(vocabulary, self.config)
        weights = grown_free_vectors(self.network.state_dict(), "items.free", row_before)
        if not same_items:  # what they are, they are also without events
            for name in ("items.projected", "items.settled", "items.settled_share"):
                weights = grown_free_vectors(weights, name, row_before)
        network.load_state_dict(weights)
        return self._with(vocabulary=vocabulary, network=network)

    def on(self, compute: Compute) -> DenseArm:
        """The same weights, moved to where they rank from now on. Raises DeviceUnavailable."""
        return self._with(compute=compute)

    def raising_new_items(self, offset: float) -> DenseArm:
        """The same weights; new items score higher by `offset` (see `new_item_share`)."""
        return self._with(new_item_offset=offset)

    def _with(self, **changes: Any) -> DenseArm:
        own: dict[str, Any] = {
            "name": self.name,
            "vocabulary": self.vocabulary,
            "config": self.config,
            "network": self.network,
            "compute": self.compute,
            "new_item_offset": self.new_item_offset,
        }
        return DenseArm(**own | changes)

    @torch.inference_mode()
    def states(self, batch: RequestBatch) -> Float[Tensor, "B dim"]:
        """What the mixer says after each history: its product with an item's vector is the item's score."""
        batch = batch.to(self.device)
        with self.compute.autocast():
            states = self.network.last_states(self.vectors, batch.items, batch.times, batch.length)
        return states.float()  # what is ranked by: of neighbours in a list bf16 makes ties

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
        rows, vectors = self._rows.of(histories.catalogue), self.vectors

        def score(batch: RequestBatch, allowed: CandidateItems) -> Float[Tensor, "B C"]:
            wanted = allowed.once("vectors", lambda: vectors[allowed.rows.to(self.device)])
            return raised(self.states(batch) @ wanted.T, allowed, self.vocabulary, self.new_item_offset)

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

    def save(self, folder: Path) -> None:
        write_trained(
            folder,
            self.name,
            asdict(self.config),
            self.vocabulary,
            self.network,
            new_item_offset=self.new_item_offset,
        )


def raised(
    scores: Float[Tensor, "B C"], allowed: CandidateItems, vocabulary: Vocabulary, offset: float
) -> Float[Tensor, "B C"]:
    """The scores, in place, with `offset` more for each candidate that has no training event."""
    if not offset:
        return scores
    is_new = allowed.once("is_new", lambda: torch.from_numpy(~vocabulary.is_trained[allowed.rows.numpy()]))
    return scores.add_(offset * is_new.to(scores.device))


def load_dense(folder: Path, name: DenseName, config: dict[str, Any], compute: Compute = ON_CPU) -> DenseArm:
    """The arm that `save` wrote. Raises CheckpointMismatch, DeviceUnavailable."""
    vocabulary = read_vocabulary(
        folder, config.pop("num_codes"), config.pop(CONTENT_SPACE, ""), config.pop(CONTENT_WIDTH, 0)
    )
    config.pop("start_length", None)  # older files say it here too; what counts stands in "training"
    offset = config.pop(NEW_ITEM_OFFSET, 0.0)
    parsed = read_dense_config(config)
    network = dense_network(vocabulary, parsed)
    read_weights(folder, network)
    return DenseArm(
        name=name,
        vocabulary=vocabulary,
        config=parsed,
        network=network,
        compute=compute,
        new_item_offset=offset,
    )
