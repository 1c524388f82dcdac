"""The generative arm: a transformer over items whose inputs are their codes, and a head that writes tuples.

Source: Liu et al. 2024, arXiv:2404.16555 (semantic tuples, relation-aware attention), with the tuple moved
from the input sequence to a head on the last state: one position an item, faster and far better than
flattening. The dense loss beside the tuple loss, and re-scoring of the beam by both, follow LIGER (Yang et
al. 2024, arXiv:2411.18814).
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
from components.recommender.beam import beam_search
from components.recommender.item_vectors import ItemVectors
from components.recommender.mixer import Mixer, MixerConfig
from components.recommender.network import DenseNetwork, GenerativeNetwork, tuple_log_probs
from components.recommender.requests import (
    request_batches,
    seen_columns,
    usable_items,
    vocabulary_rows,
)
from components.recommender.sequences import TrainingSequences
from components.recommender.top import top_columns
from components.recommender.training import OnStep, TrainingConfig, fit, seeded
from components.recommender.trie import Trie, build_trie
from components.recommender.tuple_head import TupleHead
from components.recommender.weights import (
    read_items,
    read_weights,
    write_arm,
    write_items,
    write_weights,
)

NAME = "mmgrec"


class CodeOutOfRange(Exception):
    """A new item carries a code that the trained tables do not have: another tokenizer made it."""


@dataclass(frozen=True, kw_only=True)
class MMGRecConfig:
    """The generative arm. Scores are log P(tuple), or in hybrid a weighted sum with the dense score."""

    mixer: MixerConfig = field(default_factory=MixerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    free_vectors: bool = True  # an item's own vector beside its codes'
    head_hidden: int = 64
    tuple_weight: float = 1.0
    dense_weight: float = 1.0
    decode: Literal["beam", "hybrid", "exact"] = "beam"
    beam_size: int = 100
    hybrid_share: float = 0.5  # of the dense score in "hybrid"

    def __post_init__(self) -> None:
        if self.tuple_weight < 0 or self.dense_weight < 0 or self.tuple_weight + self.dense_weight == 0:
            raise ValueError("tuple_weight and dense_weight are not negative, and one of them is positive")
        if self.beam_size < 1:
            raise ValueError(f"beam_size is {self.beam_size}; at least one beam is needed")


def train_mmgrec(
    sequences: TrainingSequences,
    codes: Int[np.ndarray, "item level"],
    config: MMGRecConfig,
    *,
    seed: int,
    on_step: OnStep | None = None,
) -> MMGRecArm:
    """Train the generative arm. `codes` are the items' full tuples (collision token last), unique.

    Raises DuplicateTuple when two items share a tuple, TrainingDiverged when the loss is no number.
    """
    if codes.shape[0] != sequences.num_items:
        raise ValueError(
            f"{codes.shape[0]} rows of codes for {sequences.num_items} items: pass one row an item"
        )
    events = np.bincount(sequences.items, minlength=sequences.num_items)
    num_codes = [int(size) for size in codes.max(axis=0) + 1]
    with seeded(seed):
        network = _network(codes, events > 0, num_codes, config)
        fit(
            network,
            sequences,
            config.training,
            max_length=config.mixer.max_length,
            seed=seed,
            on_step=on_step,
        )
    return MMGRecArm(
        item_ids=sequences.item_ids, codes=codes, is_trained=events > 0, config=config, network=network
    )


def _network(
    codes: Int[np.ndarray, "item level"],
    is_trained: Bool[np.ndarray, "item"],
    num_codes: list[int],
    config: MMGRecConfig,
) -> GenerativeNetwork:
    readable = torch.from_numpy(np.minimum(codes, np.array(num_codes) - 1))
    items = ItemVectors(readable, num_codes, config.mixer.dim, free=config.free_vectors)
    dense = DenseNetwork(items, Mixer(config.mixer), torch.from_numpy(np.flatnonzero(is_trained)))
    return GenerativeNetwork(
        dense,
        TupleHead(num_codes, config.mixer.dim, config.head_hidden, config.mixer.dropout),
        build_trie(codes, is_trained),
        tuple_weight=config.tuple_weight,
        dense_weight=config.dense_weight,
    )


class MMGRecArm:
    """A trained generative arm over a vocabulary of items with tuples."""

    name = NAME

    def __init__(
        self,
        *,
        item_ids: np.ndarray,
        codes: Int[np.ndarray, "item level"],
        is_trained: Bool[np.ndarray, "item"],
        config: MMGRecConfig,
        network: GenerativeNetwork,
    ) -> None:
        self.item_ids, self.codes, self.is_trained = item_ids, codes, is_trained
        self.config, self.network = config, network.eval()
        self.trie: Trie = build_trie(codes)  # of every item with a tuple, trained or new

    def with_ids(self, item_ids: np.ndarray, codes: Int[np.ndarray, "new level"]) -> MMGRecArm:
        """The same weights over more items: a new item is its codes, without a vector of its own.

        Items that the arm has keep their codes, and may be passed again. Raises CodeOutOfRange for a code
        beyond the trained tables (the last level, collisions, may grow), DuplicateTuple for a taken tuple,
        ValueError when a known item comes with other codes.
        """
        place = {item: at for at, item in enumerate(self.item_ids)}
        known = np.array([place.get(item, -1) for item in item_ids], dtype=np.int64)
        is_new = known < 0
        if (changed := (self.codes[known[~is_new]] != codes[~is_new]).any(axis=1)).any():
            item = np.asarray(item_ids, dtype=object)[~is_new][changed][0]
            raise ValueError(
                f"item {item!r} has other codes than the arm was trained with; IDs are append-only"
            )
        num_codes = self.network.head.num_codes
        over = codes[is_new, :-1] >= np.array(num_codes[:-1])
        if over.any():
            row, level = np.argwhere(over)[0]
            item, code = np.asarray(item_ids, dtype=object)[is_new][row], codes[is_new][row, level]
            raise CodeOutOfRange(
                f"item {item!r} has code {code} "
                f"at level {level}, the arm knows {num_codes[level]}: use the tokenizer it was trained with"
            )
        all_ids = np.concatenate([self.item_ids, np.asarray(item_ids, dtype=object)[is_new]])
        all_codes = np.concatenate([self.codes, codes[is_new]])
        all_trained = np.concatenate([self.is_trained, np.zeros(is_new.sum(), dtype=bool)])
        order = np.argsort(all_ids, kind="stable")
        network = _network(all_codes[order], all_trained[order], num_codes, self.config)
        weights = self.network.state_dict()
        if self.config.free_vectors:
            free = weights["dense.items.free"]
            added = torch.cat([free, free.new_zeros(int(is_new.sum()), free.shape[1])])
            weights = {**weights, "dense.items.free": added[torch.from_numpy(order)]}
        network.load_state_dict(weights)
        return MMGRecArm(
            item_ids=all_ids[order],
            codes=all_codes[order],
            is_trained=all_trained[order],
            config=self.config,
            network=network,
        )

    def decoding(self, decode: Literal["beam", "hybrid", "exact"], **changes: Any) -> MMGRecArm:
        """The same weights, decoded another way; `changes` may set beam_size and hybrid_share."""
        return MMGRecArm(
            item_ids=self.item_ids,
            codes=self.codes,
            is_trained=self.is_trained,
            config=replace(self.config, decode=decode, **changes),
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
        vectors = self.network.items()
        for batch in request_batches(
            histories, rows, max_length=self.config.mixer.max_length, num_columns=self.trie.num_leaves
        ):
            states = self.network.states(vectors, batch.items, batch.times)
            states = states[torch.arange(len(states)), batch.length]
            live = torch.ones(len(states), num_columns, dtype=torch.bool)
            if exclude_seen:
                live = ~seen_columns(histories, batch.requests, usable.column, num_columns)
            column, score = self._decode(states, vectors, live, column_of_row, k)
            # columns ascend with the catalogue, so ties fall in its order
            at, values = _best(column, score, k)
            items[batch.requests] = np.where(at < 0, -1, usable.positions[at])
            scores[batch.requests] = values
        return Ranked(items=items, scores=scores)

    def _decode(
        self,
        states: Float[Tensor, "B dim"],
        vectors: Float[Tensor, "item dim"],
        live: Bool[Tensor, "B C"],
        column_of_row: Int[Tensor, "item"],
        k: int,
    ) -> tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]:
        """Columns and scores of what the decoder finds, in no particular order."""
        column_of_leaf = column_of_row[self.trie.items]
        is_usable = column_of_leaf >= 0
        live_leaf = live[:, column_of_leaf] & is_usable
        if self.config.decode == "exact":
            score = tuple_log_probs(self.network.head, self.trie, states)
            return column_of_leaf.expand(len(states), -1), score.masked_fill(~live_leaf, -torch.inf)
        leaf, score = beam_search(
            self.network.head, self.trie, states, width=max(self.config.beam_size, k), live=live_leaf
        )
        if self.config.decode == "hybrid":
            found = self.trie.items[leaf.clamp(min=0)]
            dense = torch.einsum("bwd,bd->bw", vectors[found], states)
            share = self.config.hybrid_share
            score = ((1 - share) * score + share * dense).masked_fill(leaf < 0, -torch.inf)
        return column_of_leaf[leaf.clamp(min=0)], score

    def save(self, folder: Path) -> None:
        config = asdict(self.config) | {"num_codes": self.network.head.num_codes}
        write_arm(folder, self.name, config)
        write_weights(folder, self.network)
        write_items(folder, self.item_ids, {"is_trained": self.is_trained}, self.codes)


def _best(
    column: Int[Tensor, "B W"], score: Float[Tensor, "B W"], k: int
) -> tuple[Int[np.ndarray, "B k"], Float[np.ndarray, "B k"]]:
    """The best k columns by score, ties by column."""
    by_column = column.argsort(dim=1, stable=True)
    at, values = top_columns(score.gather(1, by_column), k)
    found = np.take_along_axis(column.gather(1, by_column).numpy(), np.maximum(at, 0), axis=1)
    return np.where(at < 0, -1, found), values


def load_mmgrec(folder: Path, config: dict[str, Any]) -> MMGRecArm:
    """The arm that `save` wrote. Raises CheckpointMismatch."""
    num_codes = config.pop("num_codes")
    parsed = MMGRecConfig(
        **config | {"mixer": MixerConfig(**config["mixer"]), "training": TrainingConfig(**config["training"])}
    )
    item_ids, columns, codes = read_items(folder)
    network = _network(codes, columns["is_trained"], num_codes, parsed)
    read_weights(folder, network)
    return MMGRecArm(
        item_ids=item_ids, codes=codes, is_trained=columns["is_trained"], config=parsed, network=network
    )
