"""The user-item graph as sparse operators in plain torch: sums and means over neighbours.

Source: mean aggregation, Hamilton et al. 2017, arXiv:1706.02216.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Operator:
    """A sparse linear map along the edges, and its transpose for the gradient."""

    matrix: Tensor  # sparse COO [to, from]; a row without edges is empty and gives 0
    transposed: Tensor

    def __call__(self, x: Float[Tensor, "from dim"]) -> Float[Tensor, "to dim"]:
        return _SparseProduct.apply(self.matrix, self.transposed, x)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Distinct edges, kept in both orders so that any subset of them is built without sorting.

    COO products add in the order of the entries on one thread, so sums do not depend on scheduling.
    """

    num_users: int
    num_items: int
    by_user: Int[Tensor, "2 edge"]  # (user, item), sorted by user then item
    item_order: Int[Tensor, "edge"]  # permutation of by_user that sorts by item then user

    @staticmethod
    def of(edges: Int[np.ndarray, "2 edge"], num_users: int, num_items: int) -> Graph:
        """From distinct edges sorted by user then item, as `check_edges` returns them."""
        by_user = torch.from_numpy(np.ascontiguousarray(edges, dtype=np.int64))
        item_order = torch.argsort(by_user[1], stable=True)
        return Graph(num_users=num_users, num_items=num_items, by_user=by_user, item_order=item_order)

    def to(self, device: torch.device) -> Graph:
        return replace(self, by_user=self.by_user.to(device), item_order=self.item_order.to(device))

    def means(self, keep: Bool[Tensor, "edge"] | None = None) -> tuple[Operator, Operator]:
        """(items → users, users → items), the mean over the kept edges; 0 where there are none."""
        per_user = 1 / self.user_degree(keep).clamp_min(1)
        per_item = 1 / self.item_degree(keep).clamp_min(1)
        users, _ = self.by_user
        to_users, _ = self.operators(per_user[users], keep)
        _, to_items = self.operators(per_item[self.by_user[1]], keep)
        return to_users, to_items

    def operators(
        self, weight: Float[Tensor, "edge"], keep: Bool[Tensor, "edge"] | None = None
    ) -> tuple[Operator, Operator]:
        """(items → users, users → items), the weighted sum over the kept edges; `weight` in the order of by_user."""
        forward = slice(None) if keep is None else keep
        backward = self.item_order if keep is None else self.item_order[keep[self.item_order]]
        users, items = self.by_user[:, forward]
        users_by_item, items_by_item = self.by_user[:, backward]
        to_users = _sparse(users, items, weight[forward], (self.num_users, self.num_items))
        to_items = _sparse(items_by_item, users_by_item, weight[backward], (self.num_items, self.num_users))
        return Operator(matrix=to_users, transposed=to_items), Operator(matrix=to_items, transposed=to_users)

    def user_degree(self, keep: Bool[Tensor, "edge"] | None = None) -> Float[Tensor, "user"]:
        users = self.by_user[0] if keep is None else self.by_user[0, keep]
        return torch.bincount(users, minlength=self.num_users).float()

    def item_degree(self, keep: Bool[Tensor, "edge"] | None = None) -> Float[Tensor, "item"]:
        items = self.by_user[1] if keep is None else self.by_user[1, keep]
        return torch.bincount(items, minlength=self.num_items).float()


def _sparse(
    rows: Int[Tensor, "edge"],
    columns: Int[Tensor, "edge"],
    values: Float[Tensor, "edge"],
    shape: tuple[int, int],
) -> Tensor:
    """Entries come sorted by row then column and distinct, so nothing has to be merged."""
    return torch.sparse_coo_tensor(
        torch.stack([rows, columns]), values, shape, is_coalesced=True, check_invariants=False
    )


class _SparseProduct(torch.autograd.Function):
    """matrix @ x, whose gradient uses the transpose at hand instead of sorting one in every step."""

    @staticmethod
    def forward(ctx, matrix: Tensor, transposed: Tensor, x: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.transposed = transposed
        return _product(matrix, x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, None, Tensor]:  # type: ignore[no-untyped-def]
        return None, None, _product(ctx.transposed, gradient)


def _product(matrix: Tensor, x: Tensor) -> Tensor:
    """In float32 whatever the precision around it: sums over neighbours, for which bfloat16 has no kernel."""
    with torch.autocast(x.device.type, enabled=False):
        return matrix @ x.float()
