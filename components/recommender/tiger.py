"""TIGER: the history as a flat sequence of code tokens, an encoder-decoder writes the tuple of the next item.

Source: Rajput et al. 2023, arXiv:2305.05065, section 3.2, without the hashed user token (as published it
stands for 2,000 buckets of users, and a user who comes later has none).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.recommender.arm import Histories, Ranked
from components.recommender.cached_beam import cached_beam_search
from components.recommender.code_tokens import CodeTokens
from components.recommender.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from components.recommender.fast_matmul import fast_matmul
from components.recommender.requests import request_batches, seen_columns, usable_items, vocabulary_rows
from components.recommender.sequences import TrainingSequences
from components.recommender.tiger_training import TigerTraining, fit_tiger
from components.recommender.top import top_columns
from components.recommender.training import OnStep, seeded
from components.recommender.trie import build_trie
from components.recommender.tuple_likelihood import Normalize, leaf_log_probs
from components.recommender.weights import read_items, read_weights, write_arm, write_items, write_weights

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
    beam_size: int = 20

    def __post_init__(self) -> None:
        if min(self.max_items, self.beam_size) < 1:
            raise ValueError("max_items and beam_size must be at least 1")


def train_tiger(
    sequences: TrainingSequences,
    codes: Int[np.ndarray, "item L"],
    config: TigerConfig,
    *,
    seed: int,
    on_step: OnStep | None = None,
) -> TigerArm:
    """Train TIGER. `codes` are the items' full tuples (collision token last), unique.

    Items without events are no negatives: while training, the trie holds the others only.

    Raises DuplicateTuple when two items share a tuple, TrainingDiverged when the loss is no number,
    ValueError when there is not one row of codes an item.
    """
    if codes.shape[0] != sequences.num_items:
        raise ValueError(
            f"{codes.shape[0]} rows of codes for {sequences.num_items} items: pass one row an item"
        )
    build_trie(codes)  # refuses tuples that name two items before anything is trained
    is_trained = np.bincount(sequences.items, minlength=sequences.num_items) > 0
    tokens = CodeTokens(tuple(int(size) for size in codes.max(axis=0) + 1))
    with seeded(seed):
        network = EncoderDecoder(config.network, tokens.vocabulary)
        fit_tiger(
            network,
            tokens,
            build_trie(codes, is_trained),
            tokens.of_codes(torch.from_numpy(codes)),
            sequences,
            config.training,
            max_items=config.max_items,
            normalize=config.normalize,
            seed=seed,
            on_step=on_step,
        )
    return TigerArm(item_ids=sequences.item_ids, codes=codes, config=config, tokens=tokens, network=network)


class TigerArm:
    """A trained TIGER over a vocabulary of items with tuples."""

    name = NAME

    def __init__(
        self,
        *,
        item_ids: np.ndarray,
        codes: Int[np.ndarray, "item L"],
        config: TigerConfig,
        tokens: CodeTokens,
        network: EncoderDecoder,
    ) -> None:
        self.item_ids, self.codes, self.config = item_ids, codes, config
        self.tokens, self.network = tokens, network.eval()
        self.trie = build_trie(codes)
        self.item_tokens = tokens.of_codes(torch.from_numpy(codes))

    def decoding(self, decode: Literal["beam", "exact"], **changes: Any) -> TigerArm:
        """The same weights, decoded another way; `changes` may set beam_size."""
        return TigerArm(
            item_ids=self.item_ids,
            codes=self.codes,
            config=replace(self.config, decode=decode, **changes),
            tokens=self.tokens,
            network=self.network,
        )

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
        usable = usable_items(rows, candidates)
        num_columns = len(usable.positions)
        items = np.full((len(histories), k), -1, dtype=np.int64)
        scores = np.full((len(histories), k), -np.inf, dtype=np.float32)
        if num_columns == 0 or k == 0:
            return Ranked(items=items, scores=scores)
        column_of_row = torch.full((len(self.item_ids),), -1)
        column_of_row[usable.rows] = torch.arange(num_columns)
        with fast_matmul():
            for batch in request_batches(
                histories,
                rows,
                max_length=self.config.max_items,
                num_columns=self.trie.num_leaves,
                batch_size=BATCH_SIZE,
            ):
                live = torch.ones(len(batch.requests), num_columns, dtype=torch.bool)
                if exclude_seen:
                    live = ~seen_columns(histories, batch.requests, usable.column, num_columns)
                read = self.tokens.of_histories(self.item_tokens, batch.items, batch.length)
                column, score = self._decode(read, live, column_of_row, k)
                # columns ascend with the catalogue, so ties fall in its order
                by_column = column.argsort(dim=1, stable=True)
                at, values = top_columns(score.gather(1, by_column), k)
                found = np.take_along_axis(column.gather(1, by_column).numpy(), np.maximum(at, 0), axis=1)
                items[batch.requests] = np.where(at < 0, -1, usable.positions[found])
                scores[batch.requests] = values
        return Ranked(items=items, scores=scores)

    def _decode(
        self,
        read: Int[Tensor, "B T"],
        live: Bool[Tensor, "B C"],
        column_of_row: Int[Tensor, "item"],
        k: int,
    ) -> tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]:
        """Columns and scores of what the decoder finds, in no particular order."""
        memory = self.network.encode(read)
        column_of_leaf = column_of_row[self.trie.items]
        live_leaf = live[:, column_of_leaf] & (column_of_leaf >= 0)
        normalize = self.config.normalize
        if self.config.decode == "exact":
            score = leaf_log_probs(self.network, self.tokens, self.trie, memory, normalize)
            return column_of_leaf.expand(len(read), -1), score.masked_fill(~live_leaf, -torch.inf)
        width = max(self.config.beam_size, k)
        leaf, score = cached_beam_search(
            self.network, self.tokens, self.trie, memory, width=width, live=live_leaf, normalize=normalize
        )
        return column_of_leaf[leaf.clamp(min=0)], score

    def save(self, folder: Path) -> None:
        write_arm(folder, self.name, asdict(self.config) | {"num_codes": list(self.tokens.num_codes)})
        write_weights(folder, self.network)
        write_items(folder, self.item_ids, {}, self.codes)


def load_tiger(folder: Path, config: dict[str, Any]) -> TigerArm:
    """The arm that `save` wrote. Raises CheckpointMismatch."""
    tokens = CodeTokens(tuple(config.pop("num_codes")))
    parts = {
        "network": EncoderDecoderConfig(**config["network"]),
        "training": TigerTraining(**config["training"]),
    }
    parsed = TigerConfig(**config | parts)
    item_ids, _, codes = read_items(folder)
    network = EncoderDecoder(parsed.network, tokens.vocabulary)
    read_weights(folder, network)
    return TigerArm(item_ids=item_ids, codes=codes, config=parsed, tokens=tokens, network=network)
