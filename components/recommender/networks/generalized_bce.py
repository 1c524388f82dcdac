"""Binary cross-entropy against sampled negatives, its positives held down by as much as the sampling raises them.

Source: Petrov and Macdonald 2023, arXiv:2308.07192, section 5: with k negatives out of C items, alpha = k / (C - 1) of
them are seen, and plain BCE ends in sigmoid(score) = p / (p + alpha (1 - p)) where the true probability is p. With the
power beta = alpha (t (1 - 1/alpha) + 1/alpha) of the positive's probability, which is 1 - t (1 - alpha), it ends in
beta p / (beta p + alpha (1 - p)): p itself at t = 1, plain BCE at t = 0.

Shapes: T targets, N negatives, dim.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from components.recommender.networks.weighted_mean import weighted_mean


def gbce_loss_against(
    states: Float[Tensor, "T dim"],
    wanted_vectors: Float[Tensor, "T dim"],
    negatives: Float[Tensor, "N dim"],
    is_own: Bool[Tensor, "T N"],
    weights: Float[Tensor, "T"] | None,
    *,
    num_items: int,
    calibration: float,
) -> Float[Tensor, ""]:
    """gBCE with t = `calibration`, against `negatives` that were drawn uniformly out of `num_items` for all targets.

    A target's own item among the negatives (`is_own`) is left out. Mean over targets, weighted where weights are given.
    """
    seen_share = min(1.0, len(negatives) / max(1, num_items - 1))
    power = 1 - calibration * (1 - seen_share)
    wanted = (states * wanted_vectors).sum(dim=1)
    against = F.softplus(states @ negatives.T).masked_fill(is_own, 0.0).sum(dim=1)
    return weighted_mean((power * F.softplus(-wanted) + against) / (len(negatives) + 1), weights)
