"""Which leaves of a trie may be returned at all, and which nodes lead to none: counted once, not once a search.

Shapes: B users, W beams, C children of all beams of a user, N pairs of a user and a leaf, E exhausted nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.recommender.codes.trie import Trie


@dataclass(frozen=True, kw_only=True)
class UsableLeaves:
    """How many usable leaves lie under each child of each level's nodes."""

    usable: Bool[Tensor, "leaf"]
    below: tuple[Int[Tensor, "child"], ...]  # one a level
    has_barren: tuple[bool, ...]  # whether any child of the level has none


def usable_leaves(trie: Trie, usable: Bool[Tensor, "leaf"]) -> UsableLeaves:
    """Costs what the trie's tables cost to read."""
    running = torch.cat([usable.new_zeros(1, dtype=torch.long), usable.cumsum(0)])
    # leaves under a node are one run: usable ones up to its end, minus those before it
    below = [running[level.last_leaf] - running[level.first_leaf] for level in trie.levels[1:]]
    below.append(usable.long())
    return UsableLeaves(
        usable=usable, below=tuple(below), has_barren=tuple(bool((count == 0).any()) for count in below)
    )


@dataclass(frozen=True, kw_only=True)
class Exhausted:
    """Children of a level under which a user may have none of the usable leaves, as pairs; the others are alive."""

    user: Int[Tensor, "E"]
    parent: Int[Tensor, "E"]  # node of the level
    slot: Int[Tensor, "E"]  # which child of it


def exhausted_children(
    trie: Trie,
    depth: int,
    leaves: UsableLeaves,
    excluded: tuple[Int[Tensor, "N"], Int[Tensor, "N"]],
) -> Exhausted:
    """Out of the pairs (user, leaf) that are not to be returned, none of them twice."""
    user, leaf = excluded
    counts = leaves.usable[leaf]  # a leaf that nobody may have is not in `below`
    user, leaf, below = user[counts], leaf[counts], leaves.below[depth]
    is_last = depth + 1 == len(trie.levels)
    child = leaf if is_last else trie.node_of_item[trie.items[leaf], depth + 1]
    # one number for user and child, so that one `unique` counts the leaves each user may not have below each child
    pair, taken = (user * len(below) + child).unique(return_counts=True)
    # no pair comes twice: as many taken as there are means none is left
    pair = pair[taken == below[pair % len(below)]]
    child = pair % len(below)
    item = trie.items[child if is_last else trie.levels[depth + 1].first_leaf[child]]  # any below it
    return Exhausted(
        user=pair // len(below),
        parent=trie.node_of_item[item, depth],
        slot=trie.slot_of_item[item, depth],
    )


def bar(
    exhausted: Exhausted,
    scores: Float[Tensor, "B C"],
    node: Int[Tensor, "B W"],
    begins: Int[Tensor, "#B W"],
) -> Float[Tensor, "B C"]:
    """-inf in place, at the exhausted among the children of `node`, which stand from `begins` on in a user's row."""
    at, beam = torch.nonzero(node[exhausted.user] == exhausted.parent[:, None], as_tuple=True)
    user = exhausted.user[at]
    scores[user, begins.expand_as(node)[user, beam] + exhausted.slot[at]] = -torch.inf
    return scores
