"""Looking more than once: boundaries that hold at every look, for a gate that runs again as data arrives.

Users must come in random order (by hash), not by activity. Sources: Howard et al. 2021 (normal mixture),
Waudby-Smith & Ramdas 2024 (empirical Bernstein).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Real

Method = Literal["normal_mixture", "empirical_bernstein"]
_SHOWN_LOOKS = 200


def mixture_rho(v_opt: float, alpha: float) -> float:
    """Width parameter that makes the boundary tightest at intrinsic time `v_opt`."""
    wanted = 2 * math.log(1 / alpha)
    return v_opt / (wanted + math.log1p(wanted))


def normal_mixture_bound(
    v: Real[np.ndarray, "n"] | float, *, alpha: float, v_opt: float
) -> Float[np.ndarray, "n"]:
    """Two-sided bound on |S| of a 1-sub-Gaussian sum at intrinsic time v, crossed with chance <= alpha."""
    rho = mixture_rho(v_opt, alpha)
    time = np.asarray(v, dtype=float)
    return np.sqrt((time + rho) * (np.log((time + rho) / rho) + 2 * math.log(1 / alpha)))


def empirical_bernstein(y: Float[np.ndarray, "n"], *, alpha: float = 0.05) -> Float[np.ndarray, "n 2"]:
    """Confidence sequence of the mean of values in [0, 1]: a lower and an upper bound after each value.

    Predictable plug-in empirical Bernstein, each value's spread taken about the mean of those before it.
    """
    check_unit_interval(y)
    step = np.minimum(predictable_bets(y, alpha), 0.5)
    # predictable: the mean of what came before, so that a value has no part in its own spread
    mean_before = np.concatenate([[0.0], y.cumsum()[:-1] / np.arange(1, len(y))])
    spread = np.square(y - mean_before) * (-np.log1p(-step) - step)
    weight = step.cumsum()
    centre = (step * y).cumsum() / weight
    half = (math.log(2 / alpha) + spread.cumsum()) / weight
    return np.clip(np.stack([centre - half, centre + half], axis=1), 0, 1)


def predictable_bets(y: Float[np.ndarray, "n"], alpha: float) -> Float[np.ndarray, "n"]:
    """Predictable plug-in bets: larger while the variance of what came before is small, falling with time."""
    t = np.arange(1, len(y) + 1)
    mean = (0.5 + y.cumsum()) / (t + 1)
    variance = (0.25 + np.square(y - mean).cumsum()) / (t + 1)
    # a bet may not see the value it is made on: the variance is that of the values before, 1/4 at first
    before = np.concatenate([[0.25], variance[:-1]])
    return np.sqrt(2 * math.log(2 / alpha) / (before * t * np.log(t + 1)))


def check_unit_interval(y: Float[np.ndarray, "n"]) -> None:
    outside = ~((y >= 0) & (y <= 1))
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(f"value {row} is {y[row]}, outside [0, 1]; map a difference d to (d + 1) / 2")


# --- the path of a replay ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SequentialPath:
    """The mean difference and its anytime-valid interval as users come in, in hash order.

    At most some 200 looks are kept, the last one among them. An interval that knows nothing yet is [-1, 1].
    """

    challenger: str
    baseline: str
    metric: str
    method: Method
    decides: bool  # whether the profile made this the primary's test; otherwise it is told only
    alpha: float  # two-sided: half of it on either side
    n_min: int
    users: int
    n: tuple[int, ...]
    mean: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    decided_at: int | None  # users from which on 0 lies outside, up to the last look; None: it lies inside


def anytime_bounds(
    differences: Float[np.ndarray, "n"], *, method: Method, alpha: float, n_min: int, v_opt: float
) -> Float[np.ndarray, "n 2"]:
    """Lower and upper bound of the mean after each difference in [-1, 1]; [-1, 1] before `n_min` of them.

    `normal_mixture` says nothing while all differences are equal: its spread is estimated.
    """
    n = np.arange(1, len(differences) + 1)
    if method == "empirical_bernstein":
        # differences in [-1, 1] mapped to [0, 1] and back
        bounds = 2 * empirical_bernstein((differences + 1) / 2, alpha=alpha) - 1
    else:
        total = differences.cumsum()
        variance = (np.square(differences).cumsum() - total**2 / n) / np.maximum(n - 1, 1)
        half = np.sqrt(np.maximum(variance, 0)) * normal_mixture_bound(n, alpha=alpha, v_opt=v_opt) / n
        half = np.where(variance > 1e-12, half, np.inf)
        bounds = np.clip(np.stack([total / n - half, total / n + half], axis=1), -1, 1)
    return np.where((n >= n_min)[:, None], bounds, [-1.0, 1.0])


def follow(
    differences: Float[np.ndarray, "n"],
    *,
    challenger: str,
    baseline: str,
    metric: str,
    method: Method,
    alpha: float,
    n_min: int,
    v_opt: float,
    decides: bool,
) -> SequentialPath:
    """The path over `differences` (challenger minus baseline, users in hash order, at least one of them).

    The decision is that of the last look, which holds whoever came before and in which order; `decided_at`
    says from where on it stood.
    """
    bounds = anytime_bounds(differences, method=method, alpha=alpha, n_min=n_min, v_opt=v_opt)
    # 1 where 0 lies below the interval, -1 above, 0 inside
    side = (bounds[:, 0] > 0).astype(int) - (bounds[:, 1] < 0)
    others = np.flatnonzero(side != side[-1])
    # users are counted from 1, and the first look after the last one that differs is the decision
    decided_at = (int(others[-1]) + 2 if len(others) else 1) if side[-1] else None
    looks = np.unique(np.linspace(1, len(side), min(len(side), _SHOWN_LOOKS)).round().astype(int))
    if decided_at is not None:
        looks = np.union1d(looks, [decided_at])
    mean = differences.cumsum()[looks - 1] / looks
    return SequentialPath(
        challenger=challenger,
        baseline=baseline,
        metric=metric,
        method=method,
        decides=decides,
        alpha=alpha,
        n_min=n_min,
        users=len(differences),
        n=tuple(looks.tolist()),
        mean=tuple(mean.tolist()),
        lower=tuple(bounds[looks - 1, 0].tolist()),
        upper=tuple(bounds[looks - 1, 1].tolist()),
        decided_at=decided_at,
    )
