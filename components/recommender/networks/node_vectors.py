"""Vectors of the trie's nodes: the mean of the items that stand below, so that a code is scored where it stands.

A code's own vector is one for all prefixes that it follows. A node's is that of one prefix: the state's product with it
says what those very items have learned, and at the last choice of a tuple it is the item's own score. The tuple stays a
chain of choices, each a softmax over the children of one node: a hierarchical softmax (Morin and Bengio 2005; vectors
for inner nodes as in Mnih and Hinton 2008) whose nodes are tied to the items, and so have no weights of their own.

Shapes: N states, any leading shape `*`, child = all children of a level, width = most children of one node.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from components.recommender.codes.trie import Trie


@dataclass(frozen=True, kw_only=True)
class NodeVectors:
    """Of each level's children, one vector a child; None at a level where nothing is chosen."""

    of_children: tuple[Float[Tensor, "child dim"] | None, ...]

    def scores_of_all(self, states: Float[Tensor, "N dim"], depth: int) -> Float[Tensor, "N child"]:
        """Every state's product with every child of the level."""
        vectors = self.of_children[depth]
        assert vectors is not None
        return states @ vectors.T

    def scores(
        self, states: Float[Tensor, "N dim"], depth: int, child: Int[Tensor, "N width"]
    ) -> Float[Tensor, "N width"]:
        """Every state's product with its own children; any number at -1."""
        vectors = self.of_children[depth]
        assert vectors is not None
        return (vectors[child.clamp(min=0)] @ states[:, :, None])[..., 0]


def node_vectors(trie: Trie, vectors: Float[Tensor, "item dim"]) -> NodeVectors:
    """Means of `vectors` over the leaves below each child; differentiable."""
    leaves = vectors[trie.items]
    found = [
        _means(trie, depth, leaves) if level.width > 1 else None for depth, level in enumerate(trie.levels)
    ]
    return NodeVectors(of_children=tuple(found))


def _means(trie: Trie, depth: int, leaves: Float[Tensor, "leaf dim"]) -> Float[Tensor, "child dim"]:
    if depth + 1 == len(trie.levels):
        return leaves  # a child of the last level is a leaf
    below = trie.levels[depth + 1]
    count = below.last_leaf - below.first_leaf
    child = torch.repeat_interleave(count)
    return leaves.new_zeros(len(count), leaves.shape[1]).index_add(0, child, leaves) / count[:, None]
