"""Buckets of relative positions, as T5 shares one table of biases among all distances.

Source: Raffel et al. 2020, arXiv:1910.10683, section 2.1.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Int
from torch import Tensor


def position_bucket(
    distance: Int[Tensor, "*"], num_buckets: int, max_distance: int, *, is_causal: bool
) -> Int[Tensor, "*"]:
    """Bucket of key position minus query position: near ones alone, farther ones in logarithmic steps.

    Causal attention spends all buckets on the past, the other half of them on each side.
    """
    bucket = torch.zeros_like(distance)
    if is_causal:
        far = (-distance).clamp(min=0)
    else:
        num_buckets //= 2
        bucket = (distance > 0) * num_buckets
        far = distance.abs()
    # the nearer half of the buckets is one distance each
    exact = num_buckets // 2
    # 0 at the first distance that shares a bucket, 1 at max_distance
    share = torch.log(far.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    log_bucket = (exact + (share * (num_buckets - exact)).long()).clamp(max=num_buckets - 1)
    return bucket + torch.where(far < exact, far, log_bucket)
