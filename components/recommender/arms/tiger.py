"""TIGER: the history as a flat sequence of code tokens, an encoder-decoder writes the tuple of the next item.

Source: Rajput et al. 2023, arXiv:2305.05065, section 3.2, without the hashed user token (as published it
stands for 2,000 buckets of users, and a user who comes later has none).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.compute import ON_CPU, Compute
from components.recommender.arm import Histories, OnRanked, Ranked
from components.recommender.carried_weights import carried_over
from components.recommender.codes.code_tokens import CodeTokens
from components.recommender.codes.trie import build_trie
from components.recommender.codes.vocabulary import Vocabulary, extended, vocabulary_of
from components.recommender.decoding.cached_beam import cached_beam_search
from components.recommender.decoding.candidates import CandidateItems, CatalogueRows
from components.recommender.decoding.leaf_columns import leaf_columns
from components.recommender.decoding.requests import (
    RequestBatch,
    rank_proposals,
)
from components.recommender.networks.encoder_decoder import EncoderDecoder
from components.recommender.networks.t5_layers import EncoderDecoderConfig
from components.recommender.networks.tuple_likelihood import Normalize, leaf_log_probs
from components.recommender.sequences import TrainingSequences
from components.recommender.trained_files import read_vocabulary, write_trained
from components.recommender.training.fit import seeded
from components.recommender.training.step import OnStep
from components.recommender.training.tiger_training import TigerTraining, fit_tiger
from components.recommender.weights import read_weights

NAME = "tiger"
BATCH_SIZE = 64  # requests decoded at once


@dataclass(frozen=True, kw_only=True)
class TigerConfig:
    """The generative arm as published. Scores are log P(tuple)."""

    network: EncoderDecoderConfig = field(default_factory=EncoderDecoderConfig)
    training: TigerTraining = field(default_factory=TigerTraining)
    max_items: int = 20  # of a history, the latest
    normalize: Normalize = "children"
    decode: Literal["beam", "exact"] = "beam"
    beam_size: int = 80

    def __post_init__(self) -> None:
        if min(self.max_items, self.beam_size) < 1:
            raise ValueError("max_items and beam_size must be at least 1")


def train_tiger(
    sequences: TrainingSequences,
    codes: Int[np.ndarray, "item L"],
    config: TigerConfig,
    *,
    seed: int,
    num_codes: Sequence[int] | None = None,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: TigerArm | None = None,
) -> TigerArm:
    """Train TIGER. `codes` are the items' full tuples (collision token last), unique.

    Items without events are no negatives: while training, the trie holds the others only.

    Raises DuplicateTuple when two items share a tuple, CodeOutOfRange for a code beyond its table,
    TrainingDiverged when the loss is no number, ValueError when there is not one row of codes an item.
    """
    vocabulary = vocabulary_of(sequences, codes, num_codes)
    build_trie(codes)  # refuses tuples that name two items before anything is trained
    tokens = CodeTokens(vocabulary.num_codes)
    with seeded(seed):
        network = EncoderDecoder(config.network, tokens.vocabulary)
        fit_tiger(
            network,
            tokens,
            build_trie(codes, vocabulary.is_trained),
            tokens.of_codes(torch.from_numpy(codes)),
            sequences,
            config.training,
            max_items=config.max_items,
            normalize=config.normalize,
            seed=seed,
            compute=compute,
            on_step=on_step,
            checkpoint=checkpoint,
            begin=None if begin is None else carried_over(begin, vocabulary, network),
        )
    return TigerArm(vocabulary=vocabulary, config=config, network=network)


class TigerArm:
    """A trained TIGER over a vocabulary of items with tuples."""

    name = NAME
    reads_codes = True

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        config: TigerConfig,
        network: EncoderDecoder,
        compute: Compute = ON_CPU,
    ) -> None:
        self.compute, self.device = compute, compute.usable_device()
        self.vocabulary, self.config, self.network = vocabulary, config, network.to(self.device).eval()
        self.tokens = CodeTokens(vocabulary.num_codes)
        self.trie = build_trie(vocabulary.codes).to(self.device)
        self._rows = CatalogueRows(vocabulary.item_ids)

    def with_ids(self, item_ids: np.ndarray, codes: Int[np.ndarray, "new L"]) -> TigerArm:
        """The same weights over more items. Raises as `vocabulary.extended` does, DuplicateTuple for a taken tuple."""
        grown = extended(self.vocabulary, item_ids, codes).vocabulary
        return TigerArm(vocabulary=grown, config=self.config, network=self.network, compute=self.compute)

    def on(self, compute: Compute) -> TigerArm:
        """The same weights, moved to where they rank from now on. Raises DeviceUnavailable."""
        return TigerArm(vocabulary=self.vocabulary, config=self.config, network=self.network, compute=compute)

    def decoding(self, decode: Literal["beam", "exact"], **changes: Any) -> TigerArm:
        """The same weights, decoded another way; `changes` may set beam_size."""
        return TigerArm(
            vocabulary=self.vocabulary,
            config=replace(self.config, decode=decode, **changes),
            network=self.network,
            compute=self.compute,
        )

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
        item_tokens = self.tokens.of_codes(torch.from_numpy(self.vocabulary.read_codes).to(self.device))
        leaf_of_row = self.trie.leaf_of_item(len(self.vocabulary))
        rows = self._rows.of(histories.catalogue)

        def propose(
            batch: RequestBatch, allowed: CandidateItems
        ) -> tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]:
            batch = batch.to(self.device)
            columns = allowed.once("leaves", lambda: leaf_columns(self.trie, leaf_of_row, allowed))
            live = columns.leaves.usable.repeat(len(batch.requests), 1)
            live[batch.excluded_row, columns.leaf_of_column[batch.excluded_column]] = False
            read = self.tokens.of_histories(item_tokens, batch.items, batch.length)
            leaf, score = self._decode(read, live, k)
            return columns.column_of_leaf[leaf.clamp(min=0)], score

        return rank_proposals(
            propose,
            histories,
            rows,
            k=k,
            candidates=candidates,
            allowed=self._rows.allowed(rows, candidates),
            exclude_seen=exclude_seen,
            on_step=on_step,
            max_length=self.config.max_items,
            batch_size=BATCH_SIZE,
        )

    def _decode(
        self, read: Int[Tensor, "B T"], live: Bool[Tensor, "B leaf"], k: int
    ) -> tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]:
        """Leaves and scores of what the decoder finds, in no particular order; -inf where it finds none."""
        with self.compute.autocast():
            memory = self.network.encode(read).float()
        normalize = self.config.normalize
        if self.config.decode == "exact":
            score = leaf_log_probs(self.network, self.tokens, self.trie, memory, normalize)
            leaves = torch.arange(self.trie.num_leaves, device=self.device).expand(len(read), -1)
            return leaves, score.masked_fill(~live, -torch.inf)
        width = max(self.config.beam_size, k)
        return cached_beam_search(
            self.network, self.tokens, self.trie, memory, width=width, live=live, normalize=normalize
        )

    def save(self, folder: Path) -> None:
        write_trained(folder, self.name, asdict(self.config), self.vocabulary, self.network)


def load_tiger(folder: Path, config: dict[str, Any], compute: Compute = ON_CPU) -> TigerArm:
    """The arm that `save` wrote. Raises CheckpointMismatch, DeviceUnavailable."""
    vocabulary = read_vocabulary(folder, config.pop("num_codes"))
    parts = {
        "network": EncoderDecoderConfig(**config["network"]),
        "training": TigerTraining(**config["training"]),
    }
    parsed = TigerConfig(**config | parts)
    network = EncoderDecoder(parsed.network, CodeTokens(vocabulary.num_codes).vocabulary)
    read_weights(folder, network)
    return TigerArm(vocabulary=vocabulary, config=parsed, network=network, compute=compute)
