"""A search speaks of leaves, lists of columns in the caller's order: there and back, for one set of candidates.

Shapes: C candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from components.recommender.codes.trie import Trie
from components.recommender.decoding.candidates import CandidateItems
from components.recommender.decoding.usable_leaves import UsableLeaves, usable_leaves


@dataclass(frozen=True, kw_only=True)
class LeafColumns:
    """As large as the catalogue, so it is made once for candidates that are kept."""

    leaf_of_column: Int[Tensor, "C"]
    column_of_leaf: Int[Tensor, "leaf"]  # -1 for a leaf that is no candidate
    leaves: UsableLeaves


def leaf_columns(trie: Trie, leaf_of_row: Int[Tensor, "item"], allowed: CandidateItems) -> LeafColumns:
    """`leaf_of_row` is the trie's, of the vocabulary that the candidates' rows point into."""
    leaf_of_column = leaf_of_row[allowed.rows.to(leaf_of_row.device)]
    column_of_leaf = torch.full((trie.num_leaves,), -1, device=leaf_of_column.device)
    column_of_leaf[leaf_of_column] = torch.arange(len(leaf_of_column), device=leaf_of_column.device)
    return LeafColumns(
        leaf_of_column=leaf_of_column,
        column_of_leaf=column_of_leaf,
        leaves=usable_leaves(trie, column_of_leaf >= 0),
    )
