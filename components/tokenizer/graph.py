"""The user-item graph as two averaging operators, and the collaborative factors that lie in it.

Source: mean aggregation, Hamilton et al. 2017, arXiv:1706.02216; the factors are a spectral embedding of
the bipartite graph with smoothed degrees (Chaudhuri et al. 2012; Qin & Rohe 2013, arXiv:1309.4111).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Mean:
    """Mean over neighbours as a sparse matrix, and its transpose for the gradient."""

    matrix: Tensor  # sparse COO [to, from]; a row without edges is empty, so its mean is 0
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

    def means(self, keep: Bool[Tensor, "edge"] | None = None) -> tuple[Mean, Mean]:
        """(items → users, users → items), over the kept edges."""
        if keep is None:
            users, items = self.by_user
            order = self.item_order
            users_by_item, items_by_item = self.by_user[:, order]
        else:
            users, items = self.by_user[:, keep]
            users_by_item, items_by_item = self.by_user[:, self.item_order[keep[self.item_order]]]
        per_user = 1 / torch.bincount(users, minlength=self.num_users).clamp_min(1).float()
        per_item = 1 / torch.bincount(items, minlength=self.num_items).clamp_min(1).float()
        shape = (self.num_users, self.num_items)
        to_users = Mean(
            matrix=_sparse(users, items, per_user[users], shape),
            transposed=_sparse(items_by_item, users_by_item, per_user[users_by_item], shape[::-1]),
        )
        to_items = Mean(
            matrix=_sparse(items_by_item, users_by_item, per_item[items_by_item], shape[::-1]),
            transposed=_sparse(users, items, per_item[items], shape),
        )
        return to_users, to_items


def collaborative_factors(
    graph: Graph, dim: int, smoothing: float, generator: torch.Generator
) -> Float[Tensor, "item dim"]:
    """Where an item sits by who used it: right singular vectors of (Du+τ)^-½ A (Di+τ)^-½, by singular value.

    How popular an item is, the direction (Di+τ)^-½ Aᵀ1 that would come first, is projected out: it says nothing
    about who. Rows are divided by √(Di+τ), which makes them the mean of their users' vectors shrunk by d/(d+τ):
    an item with few events stays near zero. Scaled to a mean squared length of `dim` over items with events;
    the rest are zero.
    """
    users, items = graph.by_user
    factors = torch.zeros(graph.num_items, dim)
    rank = min(dim, graph.num_users, graph.num_items - 1)
    if not len(users) or rank < 1:
        return factors
    degree = torch.bincount(items, minlength=graph.num_items)
    user_weight = (torch.bincount(users, minlength=graph.num_users) + smoothing).clamp_min(1e-6).rsqrt()
    item_weight = (degree + smoothing).clamp_min(1e-6).rsqrt()
    shape = (graph.num_users, graph.num_items)
    matrix = _sparse(users, items, user_weight[users] * item_weight[items], shape)
    users_by_item, items_by_item = graph.by_user[:, graph.item_order]
    transposed = _sparse(
        items_by_item, users_by_item, user_weight[users_by_item] * item_weight[items_by_item], shape[::-1]
    )
    popular = torch.nn.functional.normalize((degree * item_weight).unsqueeze(1), dim=0)

    # subspace iteration with a few columns more than needed: Halko, Martinsson & Tropp 2011, algorithm 4.4
    width = min(rank + 8, graph.num_users, graph.num_items - 1)
    basis = torch.randn(graph.num_items, width, generator=generator)
    for _ in range(8):
        basis = torch.linalg.qr(basis - popular @ (popular.T @ basis)).Q
        basis = transposed @ (matrix @ basis)
    basis = torch.linalg.qr(basis - popular @ (popular.T @ basis)).Q
    basis = basis - popular @ (popular.T @ basis)  # a graph of less rank leaves QR columns to make up
    _, strength, turned = torch.linalg.svd(matrix @ basis, full_matrices=False)
    right = basis @ turned.T[:, :rank]
    peak = right.gather(0, right.abs().argmax(dim=0, keepdim=True))
    right = right * torch.where(peak < 0, -1.0, 1.0)  # LAPACK may return either sign
    found = right * strength[:rank] * item_weight.unsqueeze(1)
    known = degree > 0
    length = found[known].square().sum(dim=1).mean().sqrt()
    if length > 1e-6:
        factors[known, :rank] = found[known] * (dim**0.5 / length)
    return factors


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
        return matrix @ x

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, None, Tensor]:  # type: ignore[no-untyped-def]
        return None, None, ctx.transposed @ gradient
