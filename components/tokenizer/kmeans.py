"""k-means that shares items out evenly, for codebooks without dead or crowded codes.

Source: Sinkhorn-balanced assignment after Cuturi 2013, arXiv:1306.0895, used for semantic IDs by LC-Rec
(Zheng et al. 2024, arXiv:2311.09049, section 3.1.2); start by k-means++ (Arthur & Vassilvitskii 2007).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def squared_distances(
    x: Float[Tensor, "item dim"], codebook: Float[Tensor, "code dim"]
) -> Float[Tensor, "item code"]:
    """At least 0; by one matrix product, so float32 rounding shows where a distance is near 0."""
    own = x.square().sum(dim=1, keepdim=True)
    return (own - 2 * x @ codebook.T + codebook.square().sum(dim=1)).clamp_min(0)


def nearest(x: Float[Tensor, "item dim"], codebook: Float[Tensor, "code dim"]) -> Int[Tensor, "item"]:
    """The L2-nearest code of each item, the lowest number where two are equally near."""
    return squared_distances(x, codebook).argmin(dim=1)


def spread_start(
    x: Float[Tensor, "item dim"], size: int, generator: torch.Generator
) -> Float[Tensor, "code dim"]:
    """k-means++: each next code is an item drawn in proportion to its squared distance from the codes so far.

    `size` is at most the number of items; once every item lies on a code, the rest repeat items.
    """
    first = int(torch.randint(len(x), (1,), generator=generator))
    chosen, distance = [first], (x - x[first]).square().sum(dim=1)
    for _ in range(size - 1):
        # all items lie on chosen codes: any of them will do, and weights of zero cannot be drawn from
        weight = distance if distance.sum() > 0 else torch.ones_like(distance)
        chosen.append(int(torch.multinomial(weight, 1, generator=generator)))
        distance = torch.minimum(distance, (x - x[chosen[-1]]).square().sum(dim=1))
    return x[chosen].clone()


def kmeans(
    x: Float[Tensor, "item dim"], codebook: Float[Tensor, "code dim"], *, balance: float, iterations: int = 20
) -> Float[Tensor, "code dim"]:
    """Move a start towards the means of the items that each code is given.

    With `balance` above 0 every code is given about the same number of items; 0 is plain Lloyd. A code
    that is given none takes the item that lies farthest from its own.
    """
    size = len(codebook)
    for _ in range(iterations):
        distance = squared_distances(x, codebook)
        given = balanced_assignment(distance, balance) if balance > 0 else distance.argmin(dim=1)
        count = torch.bincount(given, minlength=size).unsqueeze(1)
        total = torch.zeros_like(codebook).index_add_(0, given, x)
        # a code that was given nobody stays, until the items farthest from their own are given out below
        codebook = torch.where(count > 0, total / count.clamp_min(1), codebook)
        empty = (count.squeeze(1) == 0).nonzero().squeeze(1)
        if len(empty):
            own = distance.gather(1, given.unsqueeze(1)).squeeze(1)
            codebook[empty] = x[own.argsort(descending=True, stable=True)[: len(empty)]]
    return codebook


def balanced_assignment(
    distance: Float[Tensor, "item code"], balance: float, rounds: int = 15
) -> Int[Tensor, "item"]:
    """The likeliest code of each item in the entropic transport plan with even marginals.

    `balance` is the entropy in units of the mean distance: smaller is nearer to k-means, larger more even.
    """
    scale = (balance * distance.mean()).clamp_min(1e-12)
    # shifting rows and columns does not change the plan, and leaves every code an item within float32's reach
    near = distance - distance.min(dim=1, keepdim=True).values
    near = near - near.min(dim=0).values
    plan = torch.exp(-near / scale)
    items, codes = plan.shape
    by_code = torch.ones(codes)
    # Sinkhorn: scale rows to one item each, then columns to an even share, in turn
    for _ in range(rounds):
        by_item = 1 / (plan @ by_code).clamp_min(1e-30)
        by_code = (items / codes) / (plan.T @ by_item).clamp_min(1e-30)
    return (plan * by_code).argmax(dim=1)
