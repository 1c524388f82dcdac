"""Who has what, as a map of item vectors: from items to the users that have them, and on to the items of those.

Source: He et al. 2020 (LightGCN), arXiv:2002.02126, equations 3 and 8: a node is the sum of its neighbours over the
roots of both degrees, so R [user item] holds 1 / sqrt(|N_u| |N_i|) where user u has item i, and the way to the users
and back is R'R.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemGraph:
    """R, its transpose, and what an item counts in the sum of a user."""

    to_users: Tensor  # sparse COO [user item]
    to_items: Tensor  # sparse COO [item user]
    share: Float[Tensor, "item 1"]  # 1 / sqrt(|N_i|); 1 where nobody has it

    def hop(self, vectors: Float[Tensor, "item dim"]) -> Float[Tensor, "item dim"]:
        """R'R times the vectors: zero for an item that nobody has."""
        return _Hop.apply(vectors, self)

    def mapped(self, fn: Callable[[Tensor], Tensor]) -> ItemGraph:
        return ItemGraph(to_users=fn(self.to_users), to_items=fn(self.to_items), share=fn(self.share))


def item_graph(
    users: Int[np.ndarray, "event"], items: Int[np.ndarray, "event"], *, num_users: int, num_items: int
) -> ItemGraph:
    """Of events in any order; a pair counts once, however often. Memory: some 50 bytes a pair."""
    pairs = np.unique(users * np.int64(num_items) + items)
    users, items = pairs // num_items, pairs % num_items
    of_user, of_item = np.bincount(users, minlength=num_users), np.bincount(items, minlength=num_items)
    weights = (of_user[users] * of_item[items]) ** -0.5
    by_item = np.argsort(items, kind="stable")
    share = np.maximum(of_item, 1)[:, None] ** -0.5
    return ItemGraph(
        to_users=_sparse(users, items, weights, (num_users, num_items)),
        to_items=_sparse(items[by_item], users[by_item], weights[by_item], (num_items, num_users)),
        share=torch.from_numpy(share.astype(np.float32)),
    )


def _sparse(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> Tensor:
    """Entries come distinct, and sorted by row and column: nothing has to be merged."""
    return torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([rows, columns])),
        torch.from_numpy(values.astype(np.float32)),
        shape,
        is_coalesced=True,
        check_invariants=False,
    )


class _Hop(torch.autograd.Function):
    """R'R is its own transpose: a gradient takes the same way, and nothing is kept for it."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, graph: ItemGraph) -> Tensor:
        ctx.graph = graph
        return _there_and_back(graph, vectors)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        return _there_and_back(ctx.graph, upstream[0]), None


def _there_and_back(graph: ItemGraph, vectors: Tensor) -> Tensor:
    """In float32 whatever the precision around it: bfloat16 has no sparse product."""
    with torch.autocast(vectors.device.type, enabled=False):
        return graph.to_items @ (graph.to_users @ vectors.float())
