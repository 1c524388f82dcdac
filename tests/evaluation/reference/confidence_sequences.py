"""Confidence sequences beside the two that a profile may choose: unpaired asymptotic, and hedged betting.

Sources: Waudby-Smith et al. 2021 (asymptotic sequences), Waudby-Smith & Ramdas 2024 (betting).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from components.evaluation.sequential import check_unit_interval, predictable_bets


@dataclass(frozen=True, kw_only=True)
class AnytimeDifference:
    lower: float
    upper: float
    p: float  # always valid
    rho: float


def asymptotic_difference(
    means: tuple[float, float],
    sds: tuple[float, float],
    n_per_arm: int,
    *,
    tuning_n: int,
    alpha: float = 0.05,
) -> AnytimeDifference:
    """Anytime interval of the difference (second minus first) of two unpaired means of equal group size."""
    rho = math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuning_n)
    difference = means[1] - means[0]
    n = 2 * n_per_arm
    sigma = math.sqrt(
        2 * (sds[0] ** 2 + sds[1] ** 2)
    )  # sd of one user's contribution, half of them in an arm
    spread = n * rho**2 + 1
    half = sigma * math.sqrt(2 * spread / (n**2 * rho**2) * math.log(math.sqrt(spread) / alpha))
    log_evidence = (rho * n * difference / sigma) ** 2 / (2 * spread) - math.log(spread) / 2
    return AnytimeDifference(
        lower=difference - half, upper=difference + half, p=min(1.0, math.exp(-log_evidence)), rho=rho
    )


def hedged_betting(
    y: Float[np.ndarray, "n"], *, alpha: float = 0.05, grid: int = 1000
) -> Float[np.ndarray, "n 2"]:
    """Confidence sequence of the mean of values in [0, 1] by betting against each of `grid` + 1 means.

    A mean stays while neither half of the capital, one bet upwards and one downwards, has grown to 1/alpha.
    The bounds are a grid step wider than the means that stay. Tighter than empirical Bernstein, and slower.
    """
    check_unit_interval(y)
    bet = predictable_bets(y, alpha)
    mean = np.linspace(0, 1, grid + 1)[:, None]
    with np.errstate(divide="ignore"):
        upwards = np.log1p(np.minimum(bet, 0.5 / mean) * (y - mean)).cumsum(axis=1)
        downwards = np.log1p(-np.minimum(bet, 0.5 / (1 - mean)) * (y - mean)).cumsum(axis=1)
    stays = np.maximum(upwards, downwards) + math.log(0.5) < math.log(1 / alpha)
    lower = np.where(stays, mean, 1.0).min(axis=0) - 1 / grid
    upper = np.where(stays, mean, 0.0).max(axis=0) + 1 / grid
    return np.clip(np.stack([lower, upper], axis=1), 0, 1)
