"""The two trained networks: a mixer with a dense softmax over items, and with a tuple head beside it.

Dense score of an item = state · item vector (the vector it has as input). Tuple score = sum over levels of
log P(code | state, codes so far), where the softmax of a level runs over the children that the prefix has in
the trie of trained items: no probability is spent on tuples that name nothing, a level with one child costs
nothing, and P over tuples sums to one over the trained items. Items without training events take part in
neither softmax as negatives: nothing teaches the network against them.

Shapes: B histories, P places, N states, T targets, L levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from components.recommender.codes.trie import Trie
from components.recommender.networks.full_softmax import (
    full_softmax_loss,
    sampled_softmax_loss,
    softmax_loss_against,
)
from components.recommender.networks.generalized_bce import gbce_loss_against
from components.recommender.networks.history_sum import HistorySum
from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.networks.mixer import Mixer
from components.recommender.networks.node_vectors import NodeVectors, node_vectors
from components.recommender.networks.tuple_head import TupleHead
from components.recommender.networks.tuple_scores import child_log_probs, tuple_log_probs
from components.recommender.networks.weighted_mean import weighted_mean


@dataclass(frozen=True, kw_only=True)
class TouchedVectors:
    """What a loss asks of the item vectors, where they are not all at hand."""

    wanted: Float[Tensor, "T dim"]  # of the targets
    negatives: Float[Tensor, "num_negatives dim"]
    drawn: Int[Tensor, "num_negatives"]  # the negatives' rows in the vocabulary


class DenseNetwork(nn.Module):
    """States scored against trained items: by full or sampled softmax, or by gBCE where `calibration` is given."""

    trained: Int[Tensor, "trained"]  # rows of items with a training event
    place: Int[Tensor, "item"]  # place of an item among the trained, -1 for the others

    def __init__(
        self,
        items: ItemEmbedding,
        mixer: Mixer | HistorySum,
        trained: Int[Tensor, "trained"],
        *,
        num_negatives: int = 0,
        calibration: float | None = None,
    ) -> None:
        super().__init__()
        self.items, self.mixer = items, mixer
        self.num_negatives, self.calibration = num_negatives, calibration
        self.draws: torch.Generator | None = None  # of negatives; None: torch's own
        self.register_buffer("trained", trained, persistent=False)
        # targets come as rows of the vocabulary, the softmax has columns for trained items alone
        place = torch.full((items.num_items,), -1)
        place[trained] = torch.arange(len(trained))
        self.register_buffer("place", place, persistent=False)

    def begin_at(self, vectors: Float[Tensor, "item dim"]) -> None:
        """Start from these item vectors."""
        self.items.begin_at(vectors)

    def states(
        self,
        vectors: Float[Tensor, "item dim"],
        items: Int[Tensor, "B P_minus_1"],
        times: Int[Tensor, "B P_minus_1"],
    ) -> Float[Tensor, "B P dim"]:
        return self.mixer(vectors[items], times)

    def last_states(
        self,
        vectors: Float[Tensor, "item dim"],
        items: Int[Tensor, "B P_minus_1"],
        times: Int[Tensor, "B P_minus_1"],
        length: Int[Tensor, "B"],
    ) -> Float[Tensor, "B dim"]:
        """What is known after the first `length` events of each history: what the next item is ranked by."""
        return self.states(vectors, items, times)[torch.arange(len(length), device=length.device), length]

    def loss(
        self,
        states: Float[Tensor, "T dim"],
        vectors: Float[Tensor, "item dim"],
        targets: Int[Tensor, "T"],
        weights: Float[Tensor, "T"] | None = None,
    ) -> Float[Tensor, ""]:
        if self.calibration is not None:
            drawn = self.drawn_negatives()
            return self._gbce(states, vectors[targets], vectors[drawn], drawn == targets[:, None], weights)
        return self.softmax_loss(states, vectors[self.trained], self.place[targets], weights)

    def softmax_loss(
        self,
        states: Float[Tensor, "T dim"],
        columns: Float[Tensor, "trained dim"],
        place: Int[Tensor, "T"],
        weights: Float[Tensor, "T"] | None,
    ) -> Float[Tensor, ""]:
        """Over all columns, or against drawn ones where the network draws negatives; `place` is the right column."""
        if 0 < self.num_negatives < len(columns):
            return sampled_softmax_loss(
                states, columns, place, weights, num_negatives=self.num_negatives, draws=self.draws
            )
        return full_softmax_loss(states, columns, place, weights)

    @property
    def reads_all_items(self) -> bool:
        """Whether a loss needs the vectors of all trained items."""
        return not 0 < self.num_negatives < len(self.trained)

    def drawn_negatives(self) -> Int[Tensor, "num_negatives"]:
        """Rows of trained items, drawn uniformly, for one step."""
        device = self.trained.device
        drawn = torch.randint(len(self.trained), (self.num_negatives,), device=device, generator=self.draws)
        return self.trained[drawn]

    def loss_among(
        self,
        states: Float[Tensor, "T dim"],
        touched: TouchedVectors,
        targets: Int[Tensor, "T"],
        weights: Float[Tensor, "T"] | None = None,
    ) -> Float[Tensor, ""]:
        """`loss` by the negatives of `drawn_negatives`, from the vectors that it touches alone."""
        is_own = touched.drawn == targets[:, None]
        if self.calibration is not None:
            return self._gbce(states, touched.wanted, touched.negatives, is_own, weights)
        return softmax_loss_against(
            states, touched.wanted, touched.negatives, is_own, weights, num_items=len(self.trained)
        )

    def _gbce(
        self,
        states: Float[Tensor, "T dim"],
        wanted: Float[Tensor, "T dim"],
        negatives: Float[Tensor, "num_negatives dim"],
        is_own: Bool[Tensor, "T num_negatives"],
        weights: Float[Tensor, "T"] | None,
    ) -> Float[Tensor, ""]:
        assert self.calibration is not None
        return gbce_loss_against(
            states, wanted, negatives, is_own, weights,
            num_items=len(self.trained), calibration=self.calibration,
        )  # fmt: skip

    def log_scores(
        self, states: Float[Tensor, "N dim"], vectors: Float[Tensor, "item dim"]
    ) -> Float[Tensor, "N trained"]:
        """What ranks the trained items on validation."""
        return states @ vectors[self.trained].T


class GenerativeNetwork(nn.Module):
    """A dense network with a tuple head on the same states, trained by the weighted sum of both losses."""

    def __init__(
        self,
        dense: DenseNetwork,
        head: TupleHead,
        trie: Trie,
        *,
        tuple_weight: float,
        dense_weight: float,
        node_vectors: bool = False,
    ) -> None:
        super().__init__()
        self.dense, self.head, self.trie = dense, head, trie
        self.tuple_weight, self.dense_weight = tuple_weight, dense_weight
        self.has_node_vectors = node_vectors
        self.validate_dense_share = dense_weight / (dense_weight + tuple_weight)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> GenerativeNetwork:
        self.trie = self.trie.mapped(fn)  # goes where the weights go
        super()._apply(fn, recurse)
        return self

    def begin_at(self, vectors: Float[Tensor, "item dim"]) -> None:
        """Start from these item vectors, and score codes by what they are made of (node vectors are already)."""
        self.dense.begin_at(vectors)
        if not self.has_node_vectors:
            self.head.begin_at(self.items.code_vectors())

    def nodes(self, vectors: Float[Tensor, "item dim"], trie: Trie) -> NodeVectors | None:
        """Of a trie of these items, where tuples are scored by them."""
        return node_vectors(trie, vectors) if self.has_node_vectors else None

    @property
    def draws(self) -> torch.Generator | None:
        return self.dense.draws

    @draws.setter
    def draws(self, draws: torch.Generator | None) -> None:
        self.dense.draws = draws

    @property
    def items(self) -> ItemEmbedding:
        return self.dense.items

    @property
    def trained(self) -> Int[Tensor, "trained"]:
        return self.dense.trained

    @property
    def place(self) -> Int[Tensor, "item"]:
        return self.dense.place

    def states(
        self,
        vectors: Float[Tensor, "item dim"],
        items: Int[Tensor, "B P_minus_1"],
        times: Int[Tensor, "B P_minus_1"],
    ) -> Float[Tensor, "B P dim"]:
        return self.dense.states(vectors, items, times)

    def last_states(
        self,
        vectors: Float[Tensor, "item dim"],
        items: Int[Tensor, "B P_minus_1"],
        times: Int[Tensor, "B P_minus_1"],
        length: Int[Tensor, "B"],
    ) -> Float[Tensor, "B dim"]:
        """What is known after the first `length` events of each history."""
        return self.dense.last_states(vectors, items, times, length)

    def loss(
        self,
        states: Float[Tensor, "T dim"],
        vectors: Float[Tensor, "item dim"],
        targets: Int[Tensor, "T"],
        weights: Float[Tensor, "T"] | None = None,
    ) -> Float[Tensor, ""]:
        total = states.new_zeros(())
        if self.dense_weight:
            total = total + self.dense_weight * self.dense.loss(states, vectors, targets, weights)
        return self._with_tuple_loss(total, states, targets, weights, self.nodes(vectors, self.trie))

    @property
    def reads_all_items(self) -> bool:
        """Whether a loss needs the vectors of all trained items."""
        return self.has_node_vectors or (self.dense_weight > 0 and self.dense.reads_all_items)

    def drawn_negatives(self) -> Int[Tensor, "num_negatives"]:
        """Rows of trained items for the dense loss of one step; none where there is no such loss."""
        return self.dense.drawn_negatives() if self.dense_weight else self.trained[:0]

    def loss_among(
        self,
        states: Float[Tensor, "T dim"],
        touched: TouchedVectors,
        targets: Int[Tensor, "T"],
        weights: Float[Tensor, "T"] | None = None,
    ) -> Float[Tensor, ""]:
        """`loss` by the negatives of `drawn_negatives`, from the vectors that it touches alone."""
        total = states.new_zeros(())
        if self.dense_weight:
            total = total + self.dense_weight * self.dense.loss_among(states, touched, targets, weights)
        return self._with_tuple_loss(total, states, targets, weights)

    def _with_tuple_loss(
        self,
        total: Float[Tensor, ""],
        states: Float[Tensor, "T dim"],
        targets: Int[Tensor, "T"],
        weights: Float[Tensor, "T"] | None,
        nodes: NodeVectors | None = None,
    ) -> Float[Tensor, ""]:
        if self.tuple_weight:
            total = total + self.tuple_weight * self.tuple_loss(states, targets, weights, nodes)
        return total

    def tuple_loss(
        self,
        states: Float[Tensor, "T dim"],
        targets: Int[Tensor, "T"],
        weights: Float[Tensor, "T"] | None = None,
        nodes: NodeVectors | None = None,
    ) -> Float[Tensor, ""]:
        """Mean over targets of -log P(tuple | state), weighted: teacher forced, every level at once."""
        total = states.new_zeros(())
        for depth, level in enumerate(self.trie.levels):
            if level.width == 1:
                continue  # one child everywhere: its probability is one
            node, slot = self.trie.node_of_item[targets, depth], self.trie.slot_of_item[targets, depth]
            hidden = self.head.state(states, depth) + self.head.prefix(level.prefix[node], depth)
            direct = self.head.direct(states, depth)
            tied = None
            if nodes is not None and depth == 0:  # of one root: no copy of its children's vectors a target
                tied = nodes.scores_of_all(states, depth)
            elif nodes is not None:
                tied = nodes.scores(states, depth, level.children_of(node))
            log_probs = child_log_probs(self.head, level, depth, hidden, direct, node, tied)
            if weights is None:
                total = total + F.nll_loss(log_probs, slot)
            else:
                total = total + weighted_mean(F.nll_loss(log_probs, slot, reduction="none"), weights)
        return total

    def log_scores(
        self, states: Float[Tensor, "N dim"], vectors: Float[Tensor, "item dim"]
    ) -> Float[Tensor, "N trained"]:
        share = self.validate_dense_share
        dense = self.dense.log_scores(states, vectors) if share else states.new_zeros(())
        if share == 1.0:
            return dense
        # leaves stand in tuple order; the validation looks items up by their place among the trained
        exact = tuple_log_probs(self.head, self.trie, states, self.nodes(vectors, self.trie))[
            :, self.trie.leaf_of_item(len(self.place))[self.trained]
        ]
        return share * dense + (1 - share) * exact


Network = DenseNetwork | GenerativeNetwork
