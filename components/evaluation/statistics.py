"""Closed forms on paired differences of users: spread, multiplicity, what a test could have found.

The unit is the user, never the event: events of one user are not independent. d_u = challenger - champion of
user u.
Sources: Holm 1979, Hochberg 1988, Benjamini & Hochberg 1995, Benjamini & Yekutieli 2001 (multiplicity), Cohen 1988
(power).
Shapes: U users, M columns (metrics), E events.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import special

TIE = 1e-12  # statistics this near one another count as equal
Correction = Literal["holm", "bonferroni", "bh", "by", "hochberg"]


def standard_deviation(differences: Float[np.ndarray, "U"]) -> float:
    """With U - 1; 0 for one user or for differences that are equal to rounding."""
    if len(differences) < 2:
        return 0.0
    sd = float(differences.std(ddof=1))
    return sd if sd > TIE else 0.0


@dataclass(frozen=True, kw_only=True)
class ClusteredMean:
    """Mean over events with the standard error that users, not events, allow."""

    mean: float
    cluster_se: float
    naive_se: float
    design_effect: float  # (cluster_se / naive_se)^2; nan if the naive one is 0


def clustered_mean(user: Int[np.ndarray, "E"], values: Float[np.ndarray, "E"]) -> ClusteredMean:
    """Ratio of sums, linearised: sqrt(U/(U-1) sum e_u^2) / N with e_u = s_u - mean n_u."""
    _, member = np.unique(user, return_inverse=True)
    sums, sizes = np.bincount(member, weights=values), np.bincount(member)
    num_users = len(sizes)
    if num_users < 2:
        raise ValueError(f"{num_users} user: an error between users needs two")
    mean = sums.sum() / sizes.sum()
    # the ratio of sums, linearised: a user's part of it is what is left at the mean
    residual = sums - mean * sizes
    cluster_se = math.sqrt(num_users / (num_users - 1) * (residual**2).sum()) / sizes.sum()
    naive_se = float(values.std(ddof=1) / math.sqrt(len(values)))
    effect = (cluster_se / naive_se) ** 2 if naive_se > 0 else math.nan
    return ClusteredMean(
        mean=float(mean), cluster_se=float(cluster_se), naive_se=naive_se, design_effect=float(effect)
    )


def adjusted(p: Sequence[float] | np.ndarray, correction: Correction = "holm") -> Float[np.ndarray, "M"]:
    """p-values adjusted for their number: Holm for secondaries, Benjamini-Hochberg for exploration.

    Written out: statsmodels' `multipletests`, whose values these are, takes two seconds to load and collects all
    garbage at every call.
    """
    values = np.asarray(p, dtype=float)
    order, rank = np.argsort(values), np.arange(1, len(values) + 1)
    # the smallest is one of M hypotheses that are left, the largest the last of them
    ascending, left = values[order], rank[::-1]
    match correction:
        case "bonferroni":
            raised = ascending * len(values)
        case "holm":  # from the smallest up, none below the one before it
            raised = np.maximum.accumulate(ascending * left)
        case "hochberg":  # from the largest down, none above the one before it
            raised = _falling(ascending * left)
        case "bh":
            raised = _falling(ascending / (rank / len(values)))
        case "by":  # holds however they depend on one another
            raised = _falling(ascending / (rank / len(values) / (1 / rank).sum()))
    found = np.empty_like(values)
    found[order] = np.minimum(raised, 1)
    return found


def _falling(ascending: Float[np.ndarray, "M"]) -> Float[np.ndarray, "M"]:
    """Each the least of itself and all after it."""
    least: Float[np.ndarray, "M"] = np.minimum.accumulate(ascending[::-1])[::-1]
    return least


# --- what a test could have found ----------------------------------------------------------------------


Alternative = Literal["two-sided", "larger"]  # larger: a one-sided test, as the gate's is


def _tail(alpha: float, alternative: Alternative) -> float:
    """The normal quantile beyond which a test at `alpha` rejects."""
    return float(special.ndtri(1 - (alpha if alternative == "larger" else alpha / 2)))


def _t_power() -> Any:
    from statsmodels.stats.power import TTestPower

    return TTestPower()


def minimum_detectable_effect(
    sd: float,
    n: int,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    alternative: Alternative = "two-sided",
    exact: bool = False,
) -> float:
    """Smallest true mean difference found with this power by a test at `alpha` over n users.

    (z_{1-alpha/2} + z_power) sd / sqrt(n), one-sided with z_{1-alpha}; `exact` solves the noncentral t.
    Infinite below two users.
    """
    if n < 2:
        return math.inf
    if sd == 0:
        return 0.0
    if exact:
        found = _t_power().solve_power(nobs=n, alpha=alpha, power=power, alternative=alternative)
        return float(found) * sd
    return (_tail(alpha, alternative) + float(special.ndtri(power))) * sd / math.sqrt(n)


def users_needed(
    sd: float,
    effect: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    alternative: Alternative = "two-sided",
    exact: bool = False,
) -> float:
    """Users for a minimum detectable effect of `effect`, not rounded."""
    if effect <= 0:
        raise ValueError(f"an effect of interest is positive, not {effect}")
    if exact and sd > 0:
        found = _t_power().solve_power(
            effect_size=effect / sd, alpha=alpha, power=power, alternative=alternative
        )
        return float(found)
    return ((_tail(alpha, alternative) + float(special.ndtri(power))) * sd / effect) ** 2


def power_at(
    effect: float, sd: float, n: int, *, alpha: float = 0.05, alternative: Alternative = "two-sided"
) -> float:
    """Probability that a test at `alpha` over n users finds a true mean difference of `effect`.

    One-sided ("larger") only what lies above 0 is found, and a fall never is.
    """
    is_larger = alternative == "larger"
    if sd == 0 or n < 2:
        return float((effect > 0 if is_larger else effect != 0) and n >= 2)
    shift, critical = effect * math.sqrt(n) / sd, _tail(alpha, alternative)
    above = special.ndtr(shift - critical)
    # both tails: a two-sided test that finds the wrong sign found a difference too
    return float(above if is_larger else above + special.ndtr(-shift - critical))
