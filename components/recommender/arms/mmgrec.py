"""The generative arm: a transformer over items whose inputs are their codes, and a head that writes tuples.

Source: Liu et al. 2024, arXiv:2404.16555 (semantic tuples, relation-aware attention), with the tuple moved
from the input sequence to a head on the last state: one position an item, faster and far better than
flattening. The dense loss beside the tuple loss, and re-scoring of the beam by both, follow LIGER (Yang et
al. 2024, arXiv:2411.18814).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.compute import ON_CPU, Compute
from components.recommender.arm import Histories, OnRanked, Ranked
from components.recommender.carried_weights import carried_over
from components.recommender.codes.trie import Trie, build_trie
from components.recommender.codes.vocabulary import Vocabulary, extended, forgetting, vocabulary_of
from components.recommender.decoding.beam import beam_search
from components.recommender.decoding.candidates import CandidateItems, CatalogueRows
from components.recommender.decoding.leaf_columns import LeafColumns, leaf_columns
from components.recommender.decoding.requests import RequestBatch, rank_proposals
from components.recommender.decoding.usable_leaves import UsableLeaves, usable_leaves
from components.recommender.networks.item_embedding import ItemEmbedding, grown_free_vectors
from components.recommender.networks.mixer import Mixer, MixerConfig
from components.recommender.networks.mixer_networks import DenseNetwork, GenerativeNetwork
from components.recommender.networks.node_vectors import NodeVectors
from components.recommender.networks.tuple_head import TupleHead
from components.recommender.networks.tuple_scores import tuple_log_probs
from components.recommender.sequences import TrainingSequences
from components.recommender.trained_files import NEW_ITEM_OFFSET, read_vocabulary, write_trained
from components.recommender.training.fit import fit, seeded
from components.recommender.training.step import OnStep
from components.recommender.training.training_config import TrainingConfig
from components.recommender.weights import read_weights

NAME = "mmgrec"
NEW_BEAMS = 0.25  # of the beams, where new items are searched for apart: few of them stand in a list
DECODED_AT_ONCE = 64  # requests: their beams' scores stay near the cache


@dataclass(frozen=True, kw_only=True)
class MMGRecConfig:
    """The generative arm. Scores are log P(tuple), or in hybrid a weighted sum with the dense score."""

    mixer: MixerConfig = field(default_factory=MixerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    free_vectors: bool = True  # an item's own vector beside its codes'
    free_dropout: float = 0.0  # share of items a step that are their codes alone
    head_hidden: int = 64
    node_vectors: bool = False  # a code's score also by the items below it (see networks/node_vectors.py)
    tuple_weight: float = 1.0
    dense_weight: float = 1.0
    num_negatives: int = 0  # of the dense loss, drawn once a step for all targets; 0 is the full softmax
    decode: Literal["beam", "hybrid", "exact"] = "beam"
    beam_size: int = 80
    first_beam_size: int | None = None  # first codes that are kept; None: as many as beams
    hybrid_share: float = 0.8  # of the dense score in "hybrid"

    def __post_init__(self) -> None:
        if self.tuple_weight < 0 or self.dense_weight < 0 or self.tuple_weight + self.dense_weight == 0:
            raise ValueError("tuple_weight and dense_weight are not negative, and one of them is positive")
        if self.beam_size < 1 or (self.first_beam_size is not None and self.first_beam_size < 1):
            raise ValueError(
                f"beam_size is {self.beam_size}, first_beam_size {self.first_beam_size}; at least one beam is needed"
            )


def train_mmgrec(
    sequences: TrainingSequences,
    codes: Int[np.ndarray, "item level"],
    config: MMGRecConfig,
    *,
    seed: int,
    num_codes: Sequence[int] | None = None,
    compute: Compute = ON_CPU,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
    begin: MMGRecArm | None = None,
) -> MMGRecArm:
    """Train the generative arm. `codes` are the items' full tuples (collision token last), unique.

    `num_codes` are the tokenizer's table sizes, so that later items find their codes; without them the tables
    hold what `codes` asks. Raises DuplicateTuple when two items share a tuple, CodeOutOfRange for a code beyond
    its table, TrainingDiverged when the loss is no number.
    """
    vocabulary = vocabulary_of(sequences, codes, num_codes)
    with seeded(seed):
        network = _network(vocabulary, config)
        fit(
            network,
            sequences,
            config.training,
            max_length=config.mixer.max_length,
            seed=seed,
            compute=compute,
            on_step=on_step,
            checkpoint=checkpoint,
            begin=None if begin is None else carried_over(begin, vocabulary, network),
        )
    return MMGRecArm(vocabulary=vocabulary, config=config, network=network)


def _network(vocabulary: Vocabulary, config: MMGRecConfig) -> GenerativeNetwork:
    num_codes = vocabulary.num_codes
    items = ItemEmbedding(
        torch.from_numpy(vocabulary.read_codes),
        num_codes,
        config.mixer.dim,
        free=config.free_vectors,
        free_dropout=config.free_dropout,
    )
    trained = torch.from_numpy(np.flatnonzero(vocabulary.is_trained))
    return GenerativeNetwork(
        DenseNetwork(items, Mixer(config.mixer), trained, num_negatives=config.num_negatives),
        TupleHead(num_codes, config.mixer.dim, config.head_hidden, config.mixer.dropout),
        build_trie(vocabulary.codes, vocabulary.is_trained),
        tuple_weight=config.tuple_weight,
        dense_weight=config.dense_weight,
        node_vectors=config.node_vectors,
    )


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a decoder looks for, what is added to the scores of what it finds, and the share of its beams."""

    leaves: UsableLeaves
    offset: float = 0.0
    beams: float = 1.0

    def width(self, whole: int, k: int) -> int:
        return max(round(self.beams * whole), k)


class MMGRecArm:
    """A trained generative arm over a vocabulary of items with tuples. Its weights change no more.

    `new_item_offset` is added to the scores of items without a training event, which are then searched for apart: a
    beam of all items would drop most of them before it scores them.
    """

    name = NAME
    reads_codes = True

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        config: MMGRecConfig,
        network: GenerativeNetwork,
        compute: Compute = ON_CPU,
        new_item_offset: float = 0.0,
    ) -> None:
        self.vocabulary, self.compute, self.device = vocabulary, compute, compute.usable_device()
        self.new_item_offset = new_item_offset
        self.config, self.network = config, network.to(self.device).eval()
        # of every item with a tuple, trained or new
        self.trie: Trie = build_trie(vocabulary.codes).to(self.device)
        self._rows = CatalogueRows(vocabulary.item_ids)

    @cached_property
    def _vectors(self) -> Float[Tensor, "item dim"]:
        with torch.inference_mode():
            return self.network.items()

    @cached_property
    def _nodes(self) -> NodeVectors | None:
        with torch.inference_mode():
            return self.network.nodes(self._vectors, self.trie)

    @cached_property
    def _leaf_of_row(self) -> Int[Tensor, "item"]:
        return self.trie.leaf_of_item(len(self.vocabulary))

    def with_ids(self, item_ids: np.ndarray, codes: Int[np.ndarray, "new level"]) -> MMGRecArm:
        """The same weights over more items: a new item is its codes, without a vector of its own.

        Items that the arm has keep their codes, and may be passed again. Raises CodeOutOfRange for a code
        beyond the trained tables (the last level, collisions, may grow), DuplicateTuple for a taken tuple,
        ValueError when a known item comes with other codes.
        """
        grown = extended(self.vocabulary, item_ids, codes)
        return self._over(grown.vocabulary, grown.row_before)

    def as_if_new(self, chosen: Bool[np.ndarray, "item"]) -> MMGRecArm:
        """The same weights, these items without an event and a vector of their own: what they would be as new ones."""
        return self._over(*forgetting(self.vocabulary, chosen))

    def _over(self, vocabulary: Vocabulary, row_before: Int[np.ndarray, "item"]) -> MMGRecArm:
        network = _network(vocabulary, self.config)
        weights = grown_free_vectors(self.network.state_dict(), "dense.items.free", row_before)
        network.load_state_dict(weights)
        return self._with(vocabulary=vocabulary, network=network)

    def on(self, compute: Compute) -> MMGRecArm:
        """The same weights, moved to where they rank from now on. Raises DeviceUnavailable."""
        return self._with(compute=compute)

    def decoding(self, decode: Literal["beam", "hybrid", "exact"], **changes: Any) -> MMGRecArm:
        """The same weights, decoded another way; `changes` may set the beam sizes and hybrid_share."""
        return self._with(config=replace(self.config, decode=decode, **changes))

    def raising_new_items(self, offset: float) -> MMGRecArm:
        """The same weights; new items score higher by `offset` (see `new_item_share`)."""
        return self._with(new_item_offset=offset)

    def _with(self, **changes: Any) -> MMGRecArm:
        own: dict[str, Any] = {
            "vocabulary": self.vocabulary,
            "config": self.config,
            "network": self.network,
            "compute": self.compute,
            "new_item_offset": self.new_item_offset,
        }
        return MMGRecArm(**own | changes)

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
        vectors, rows = self._vectors, self._rows.of(histories.catalogue)

        def propose(
            batch: RequestBatch, allowed: CandidateItems
        ) -> tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]:
            batch = batch.to(self.device)
            with self.compute.autocast():
                states = self.network.last_states(vectors, batch.items, batch.times, batch.length)
            states = states.float()  # what is ranked by: of neighbours in a list bf16 makes ties
            columns = allowed.once("leaves", lambda: leaf_columns(self.trie, self._leaf_of_row, allowed))
            excluded = batch.excluded_row, columns.leaf_of_column[batch.excluded_column]
            parts = allowed.once("parts", lambda: self._searched_apart(columns))
            found = [self._decode(states, vectors, part, excluded, k) for part in parts]
            leaf = torch.cat([leaf for leaf, _ in found], dim=1)
            score = torch.cat(
                [score + part.offset for (_, score), part in zip(found, parts, strict=True)], dim=1
            )
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
            max_length=self.config.mixer.max_length,
            batch_size=DECODED_AT_ONCE,
        )

    def _searched_apart(self, columns: LeafColumns) -> list[Search]:
        """All leaves at once where new items are not raised."""
        if not self.new_item_offset:
            return [Search(leaves=columns.leaves)]
        is_trained = torch.from_numpy(self.vocabulary.is_trained).to(self.device)[self.trie.items]
        apart = (
            (columns.leaves.usable & is_trained, 0.0, 1.0),
            (columns.leaves.usable & ~is_trained, self.new_item_offset, NEW_BEAMS),
        )
        return [
            Search(leaves=usable_leaves(self.trie, usable), offset=offset, beams=beams)
            for usable, offset, beams in apart
            if usable.any()
        ]

    def _decode(
        self,
        states: Float[Tensor, "B dim"],
        vectors: Float[Tensor, "item dim"],
        search: Search,
        excluded: tuple[Int[Tensor, "N"], Int[Tensor, "N"]],
        k: int,
    ) -> tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]:
        """Leaves and scores of what the decoder finds, in no particular order; -inf where it finds none."""
        if self.config.decode == "exact":
            score = tuple_log_probs(self.network.head, self.trie, states, self._nodes)
            score = score.masked_fill(~search.leaves.usable, -torch.inf)
            score[excluded] = -torch.inf
            return torch.arange(self.trie.num_leaves, device=self.device).expand(len(states), -1), score
        first = self.config.first_beam_size
        leaf, score = beam_search(
            self.network.head,
            self.trie,
            states,
            width=search.width(self.config.beam_size, k),
            first_width=None if first is None else search.width(first, k),
            usable=search.leaves,
            excluded=excluded,
            nodes=self._nodes,
        )
        if self.config.decode == "hybrid":
            found = self.trie.items[leaf.clamp(min=0)]
            dense = (F.embedding(found, vectors) @ states[:, :, None])[..., 0]
            share = self.config.hybrid_share
            score = ((1 - share) * score + share * dense).masked_fill(leaf < 0, -torch.inf)
        return leaf, score

    def save(self, folder: Path) -> None:
        write_trained(
            folder,
            self.name,
            asdict(self.config),
            self.vocabulary,
            self.network,
            new_item_offset=self.new_item_offset,
        )


def load_mmgrec(folder: Path, config: dict[str, Any], compute: Compute = ON_CPU) -> MMGRecArm:
    """The arm that `save` wrote. Raises CheckpointMismatch, DeviceUnavailable."""
    vocabulary = read_vocabulary(folder, config.pop("num_codes"))
    config.pop("start_length", None)  # older files say it here too; what counts stands in "training"
    raised = config.pop(NEW_ITEM_OFFSET, 0.0)
    parsed = MMGRecConfig(
        **config | {"mixer": MixerConfig(**config["mixer"]), "training": TrainingConfig(**config["training"])}
    )
    network = _network(vocabulary, parsed)
    read_weights(folder, network)
    return MMGRecArm(
        vocabulary=vocabulary, config=parsed, network=network, compute=compute, new_item_offset=raised
    )
