"""The trie of real items: which codes may follow a prefix, as tensors whose size is that of the items.

Level l has nodes (distinct prefixes of l codes; level 0 is the root); a node's children are neighbours on the next
level, and are told as rows of one width when they are asked for: a table of all rows would be as wide as the most
crowded node (a thousand items of one content: a thousand columns at every node). Leaves are items in
the lexicographic order of their tuples, so the leaves under a node are one run `first_leaf:last_leaf`.

Shapes: per level: node, child = all children, width = most children of one node. L = levels of the tuple.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor


class DuplicateTuple(Exception):
    """Two items carry the same tuple of codes, so a decoded tuple would not name one item."""


@dataclass(frozen=True, kw_only=True)
class TrieLevel:
    """Nodes of one depth and their children."""

    width: int  # most children of one node
    code: Int[Tensor, "child"]  # of each child, by its number on the next level (a leaf's at the last)
    first_child: Int[Tensor, "node"]
    num_children: Int[Tensor, "node"]
    prefix: Int[Tensor, "node depth"]  # the codes that lead here
    first_leaf: Int[Tensor, "node"]
    last_leaf: Int[Tensor, "node"]  # exclusive

    def children_of(self, node: Int[Tensor, "*"]) -> Int[Tensor, "* width"]:
        """Their numbers on the next level (leaves at the last), -1 in the last places where a node has fewer."""
        slot = torch.arange(self.width, device=node.device)
        child = self.first_child[node][..., None] + slot
        return child.masked_fill(slot >= self.num_children[node][..., None], -1)

    def codes_of(self, child: Int[Tensor, "*"]) -> Int[Tensor, "*"]:
        """The codes that lead to these children; any code for -1."""
        return self.code[child.clamp(min=0)]

    @cached_property
    def padding(self) -> float:
        """Places of all rows per child that is there."""
        return self.width * len(self.num_children) / float(self.num_children.sum())

    @cached_property
    def share_of_choices(self) -> float:
        """Share of nodes with several children."""
        return float((self.num_children > 1).float().mean())


@dataclass(frozen=True, kw_only=True)
class Trie:
    levels: list[TrieLevel]  # L of them, root first
    items: Int[Tensor, "leaf"]  # row of the item whose tuple ends here
    node_of_item: Int[Tensor, "item L"]  # node above the item at each level; -1 for items outside the trie
    slot_of_item: Int[Tensor, "item L"]  # which child of that node leads to it

    @property
    def num_leaves(self) -> int:
        return len(self.items)

    def leaf_of_item(self, num_items: int) -> Int[Tensor, "item"]:
        """Leaf of each item, -1 for items outside the trie."""
        leaf = torch.full((num_items,), -1, device=self.items.device)
        leaf[self.items] = torch.arange(self.num_leaves, device=leaf.device)
        return leaf

    def to(self, device: torch.device) -> Trie:
        return self.mapped(lambda tensor: tensor.to(device))

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Trie:
        """Every tensor changed: to another device, say."""
        return replace(
            self,
            levels=[replace(level, **_changed(level, change)) for level in self.levels],
            **_changed(self, change),
        )


def _changed(part: Trie | TrieLevel, change: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    return {name: change(value) for name, value in vars(part).items() if isinstance(value, Tensor)}


def build_trie(codes: Int[np.ndarray, "item L"], members: Bool[np.ndarray, "item"] | None = None) -> Trie:
    """Trie of the items' tuples (of `members` only, if given).

    Holds: following `slot_of_item` from the root leads to the item's leaf.
    Raises DuplicateTuple naming two items (rows) of one tuple; ValueError for no items or a negative code.
    """
    rows = np.arange(len(codes)) if members is None else np.flatnonzero(members)
    if len(rows) == 0:
        raise ValueError("no item has a tuple: the trie would be empty")
    if codes[rows].min() < 0:
        raise ValueError(f"item {rows[codes[rows].min(axis=1) < 0][0]} has a negative code")
    # lexsort takes its last key first, so the first code comes last
    rows = rows[np.lexsort(codes[rows].T[::-1])]
    ordered = codes[rows]
    differs = ordered[1:] != ordered[:-1]
    if len(rows) > 1 and (same := ~differs.any(axis=1)).any():
        at = int(np.flatnonzero(same)[0])
        raise DuplicateTuple(
            f"items {rows[at]} and {rows[at + 1]} share the tuple {ordered[at].tolist()}; "
            "--refit-tokenizer deals every item a tuple of its own"
        )
    num_levels = codes.shape[1]
    # node of each leaf at depth l: a new one starts where any of the first l codes changes
    opens = np.ones((len(rows), num_levels + 1), dtype=bool)
    opens[1:, 0] = False
    opens[1:, 1:] = np.logical_or.accumulate(differs, axis=1)
    nodes = np.cumsum(opens, axis=0) - 1

    levels = []
    slots = np.zeros((len(rows), num_levels), dtype=np.int64)
    for level in range(num_levels):
        first = np.flatnonzero(opens[:, level])
        children = np.flatnonzero(opens[:, level + 1])  # first leaf of each child
        parent = nodes[children, level]
        # children are numbered through the level: minus the number of the node's first, its place among siblings
        slot = np.arange(len(children)) - nodes[first, level + 1][parent]
        slots[:, level] = slot[nodes[:, level + 1]]
        levels.append(
            TrieLevel(
                width=int(slot.max()) + 1,
                code=torch.from_numpy(ordered[children, level].astype(np.int64)),
                first_child=torch.from_numpy(nodes[first, level + 1]),
                num_children=torch.from_numpy(np.bincount(parent, minlength=len(first))),
                prefix=torch.from_numpy(ordered[first, :level].astype(np.int64)),
                first_leaf=torch.from_numpy(first),
                last_leaf=torch.from_numpy(np.append(first[1:], len(rows))),
            )
        )
    node_of_item = np.full(codes.shape, -1, dtype=np.int64)
    slot_of_item = np.full(codes.shape, -1, dtype=np.int64)
    node_of_item[rows], slot_of_item[rows] = nodes[:, :-1], slots
    return Trie(
        levels=levels,
        items=torch.from_numpy(rows),
        node_of_item=torch.from_numpy(node_of_item),
        slot_of_item=torch.from_numpy(slot_of_item),
    )
