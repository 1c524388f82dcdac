"""Looking more than once: boundaries that hold at every look, for a gate that runs again as data arrives.

Users must come in random order (by hash), not by activity. Sources: Howard et al. 2021 (normal mixture),
Waudby-Smith et al. 2021 (asymptotic sequences), Waudby-Smith & Ramdas 2024 (empirical Bernstein, betting).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats


def mixture_rho(v_opt: float, alpha: float) -> float:
    """Width parameter that makes the boundary tightest at intrinsic time `v_opt`."""
    wanted = 2 * math.log(1 / alpha)
    return v_opt / (wanted + math.log1p(wanted))


def normal_mixture_bound(
    v: Float[np.ndarray, "n"] | float, *, alpha: float, v_opt: float
) -> Float[np.ndarray, "n"]:
    """Two-sided bound on |S| of a 1-sub-Gaussian sum at intrinsic time v, crossed with chance <= alpha."""
    rho = mixture_rho(v_opt, alpha)
    time = np.asarray(v, dtype=float)
    return np.sqrt((time + rho) * (np.log((time + rho) / rho) + 2 * math.log(1 / alpha)))


def mixture_rejects(
    differences: Float[np.ndarray, "*batch n"], *, alpha: float = 0.05, v_opt: float = 500, n_min: int = 500
) -> Bool[np.ndarray, "*batch n"]:
    """Whether mean 0 is rejected at each look, the first at `n_min` users; the variance is estimated.

    Asymptotic: below some hundred users a skewed stream breaks its level, hence the default `n_min`.
    """
    n = np.arange(1, differences.shape[-1] + 1)
    total = differences.cumsum(axis=-1)
    variance = (np.square(differences).cumsum(axis=-1) - total**2 / n) / np.maximum(n - 1, 1)
    bound = np.sqrt(np.maximum(variance, 0)) * normal_mixture_bound(n, alpha=alpha, v_opt=v_opt)
    return (np.abs(total) > bound) & (n >= n_min) & (variance > 0)


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


def empirical_bernstein(y: Float[np.ndarray, "n"], *, alpha: float = 0.05) -> Float[np.ndarray, "n 2"]:
    """Confidence sequence of the mean of values in [0, 1]: a lower and an upper bound after each value.

    Predictable plug-in empirical Bernstein, each value's spread taken about the mean of those before it.
    """
    _check_unit_interval(y)
    step = np.minimum(_bets(y, alpha), 0.5)
    mean_before = np.concatenate([[0.0], y.cumsum()[:-1] / np.arange(1, len(y))])
    spread = np.square(y - mean_before) * (-np.log1p(-step) - step)
    weight = step.cumsum()
    centre = (step * y).cumsum() / weight
    half = (math.log(2 / alpha) + spread.cumsum()) / weight
    return np.clip(np.stack([centre - half, centre + half], axis=1), 0, 1)


def hedged_betting(
    y: Float[np.ndarray, "n"], *, alpha: float = 0.05, grid: int = 1000
) -> Float[np.ndarray, "n 2"]:
    """Confidence sequence of the mean of values in [0, 1] by betting against each of `grid` + 1 means.

    A mean stays while neither half of the capital, one bet upwards and one downwards, has grown to 1/alpha.
    The bounds are a grid step wider than the means that stay. Tighter than empirical Bernstein, and slower.
    """
    _check_unit_interval(y)
    bet = _bets(y, alpha)
    mean = np.linspace(0, 1, grid + 1)[:, None]
    with np.errstate(divide="ignore"):
        upwards = np.log1p(np.minimum(bet, 0.5 / mean) * (y - mean)).cumsum(axis=1)
        downwards = np.log1p(-np.minimum(bet, 0.5 / (1 - mean)) * (y - mean)).cumsum(axis=1)
    stays = np.maximum(upwards, downwards) + math.log(0.5) < math.log(1 / alpha)
    lower = np.where(stays, mean, 1.0).min(axis=0) - 1 / grid
    upper = np.where(stays, mean, 0.0).max(axis=0) + 1 / grid
    return np.clip(np.stack([lower, upper], axis=1), 0, 1)


def _bets(y: Float[np.ndarray, "n"], alpha: float) -> Float[np.ndarray, "n"]:
    """Predictable plug-in bets: larger while the variance of what came before is small, falling with time."""
    t = np.arange(1, len(y) + 1)
    mean = (0.5 + y.cumsum()) / (t + 1)
    variance = (0.25 + np.square(y - mean).cumsum()) / (t + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    return np.sqrt(2 * math.log(2 / alpha) / (before * t * np.log(t + 1)))


def _check_unit_interval(y: Float[np.ndarray, "n"]) -> None:
    outside = ~((y >= 0) & (y <= 1))
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(f"value {row} is {y[row]}, outside [0, 1]; map a difference d to (d + 1) / 2")


def naive_rejects(
    differences: Float[np.ndarray, "*batch n"], *, alpha: float = 0.05
) -> Bool[np.ndarray, "*batch n"]:
    """A t test at every look, as one must not do: it shows a simulation how wrong peeking goes."""
    n = np.arange(1, differences.shape[-1] + 1)
    total = differences.cumsum(axis=-1)
    variance = (np.square(differences).cumsum(axis=-1) - total**2 / n) / np.maximum(n - 1, 1)
    critical = stats.t.ppf(1 - alpha / 2, np.maximum(n - 1, 1))
    return (np.abs(total) > critical * np.sqrt(np.maximum(variance, 0) * n)) & (variance > 0) & (n > 1)
