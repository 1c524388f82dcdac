"""Cross-entropy over every item without ever holding all scores: the gradient is made beside the loss.

A softmax over 12,000 items at 400 targets is a block of 20 MB that the usual graph writes four times. Here
targets go through in pieces that stay in cache, and what the backward pass needs is two small matrices, computed
at once from the probabilities (the gradient of the mean cross-entropy is softmax minus one-hot). Scores stand
with an item a row: a product with 64 columns of states takes half the time of one with 12,000 of items.

Shapes: T targets, C items in the softmax, N negatives, dim.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.recommender.networks.weighted_mean import weighted_mean

TARGETS_ON_CPU = 64  # 12,000 x 64 float32 scores are 3 MB


def full_softmax_loss(
    states: Float[Tensor, "T dim"],
    vectors: Float[Tensor, "C dim"],
    targets: Int[Tensor, "T"],
    weights: Float[Tensor, "T"] | None = None,
) -> Float[Tensor, ""]:
    """Mean over targets of -log softmax(states @ vectors.T)[target], weighted by `weights` where they are given.

    Holds: value and gradients equal F.cross_entropy's to rounding. Differentiable once.
    """
    if not torch.is_grad_enabled() or states.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        scores = (states @ vectors.T).float()
        if weights is None:
            return F.cross_entropy(scores, targets)
        return weighted_mean(F.cross_entropy(scores, targets, reduction="none"), weights)
    parts = None if weights is None else (weights / weights.sum()).to(states)
    return _FullSoftmax.apply(states, vectors, targets, parts)


def sampled_softmax_loss(
    states: Float[Tensor, "T dim"],
    vectors: Float[Tensor, "C dim"],
    targets: Int[Tensor, "T"],
    weights: Float[Tensor, "T"] | None = None,
    *,
    num_negatives: int,
    draws: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    """The same against `num_negatives` items drawn uniformly once for all targets.

    Each negative stands for (C - 1) / num_negatives items, so the partition sum is estimated without bias
    (importance sampling; Bengio and Senecal 2008). A target's own item among the negatives is left out.
    """
    drawn = torch.randint(len(vectors), (num_negatives,), device=vectors.device, generator=draws)
    is_own = drawn == targets[:, None]
    return softmax_loss_against(
        states, vectors[targets], vectors[drawn], is_own, weights, num_items=len(vectors)
    )


def softmax_loss_against(
    states: Float[Tensor, "T dim"],
    wanted_vectors: Float[Tensor, "T dim"],
    negatives: Float[Tensor, "N dim"],
    is_own: Bool[Tensor, "T N"],
    weights: Float[Tensor, "T"] | None,
    *,
    num_items: int,
) -> Float[Tensor, ""]:
    """Against `negatives` that were drawn uniformly out of `num_items`; `is_own` where one is the target itself."""
    wanted = (states * wanted_vectors).sum(dim=1)
    against = states @ negatives.T + math.log((num_items - 1) / len(negatives))
    # the target's own term comes from `wanted`, once and unscaled
    against = against.masked_fill(is_own, -torch.inf)
    return weighted_mean(torch.logaddexp(wanted, against.logsumexp(dim=1)) - wanted, weights)


class _FullSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, vectors: Tensor, targets: Tensor, parts: Tensor | None) -> Tensor:
        """`parts` of the mean that each target is, summing to one; None: all the same."""
        count = len(targets)
        of_states, of_vectors = torch.empty_like(states), torch.zeros_like(vectors)
        loss = states.new_zeros(())
        memory = states.new_empty(len(vectors) * min(TARGETS_ON_CPU, count))
        for start in range(0, count, TARGETS_ON_CPU):
            rows = slice(start, min(start + TARGETS_ON_CPU, count))
            piece, target = states[rows], targets[None, rows]
            scores = memory[: len(vectors) * len(piece)].view(len(vectors), len(piece))
            share = torch.mm(vectors, piece.T, out=scores)
            wanted = share.gather(0, target)
            # the largest score comes off before exp, which would overflow from 89 on
            top = share.amax(dim=0, keepdim=True)
            total = share.sub_(top).exp_().sum(dim=0, keepdim=True)
            losses = total.log() + top - wanted
            # softmax minus one-hot; the mean over targets is already in both terms
            if parts is None:
                loss += losses.sum()
                share.div_(total * count)
                share.scatter_add_(0, target, share.new_full((1, 1), -1 / count).expand_as(target))
            else:
                part = parts[None, rows]
                loss += (losses * part).sum()
                share.mul_(part / total)
                share.scatter_add_(0, target, -part)
            torch.mm(share.T, vectors, out=of_states[rows])
            of_vectors.addmm_(share, piece)
        ctx.save_for_backward(of_states, of_vectors)
        return loss / count if parts is None else loss

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, Tensor, None, None]:
        of_states, of_vectors = ctx.saved_tensors
        return of_states.mul_(upstream[0]), of_vectors.mul_(upstream[0]), None, None  # differentiable once
