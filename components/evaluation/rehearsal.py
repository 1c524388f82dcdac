"""Rehearsal of the live test: users dealt to arms by hash, the split checked, unpaired figures.

This is how the arms would be compared in production, where a user sees one of them. It has far less power
than the paired contrast and is not the gate's test. Sources: Fabijan et al. 2019 (sample ratio mismatch),
Deng et al. 2013 (CUPED), Deng et al. 2018 (delta method).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import special

SRM_ALARM = 0.001
_SHARES = (0.5, 0.5)


def bucket(salt: str, user_id: str) -> float:
    """The user's place in [0, 1): first 16 hex digits of sha256("salt:user") over 2^64."""
    return int(hashlib.sha256(f"{salt}:{user_id}".encode()).hexdigest()[:16], 16) / 2**64


def assign_arms(salt: str, user_ids: Sequence[str], shares: Sequence[float]) -> Int[np.ndarray, "U"]:
    """Arm of each user: the first whose cumulative share exceeds the bucket."""
    if not math.isclose(sum(shares), 1) or min(shares) < 0:
        raise ValueError(f"shares {list(shares)} are not parts of a whole")
    ends = np.cumsum(shares)
    ends[-1] = 1.0  # rounding must not leave a gap at the end
    return np.searchsorted(ends, [bucket(salt, user_id) for user_id in user_ids], side="right")


def hash_order(salt: str, user_ids: Sequence[str]) -> Int[np.ndarray, "U"]:
    """Positions of the users in the order of their buckets: random, and the same for ever."""
    return np.argsort([bucket(salt, user_id) for user_id in user_ids], kind="stable")


@dataclass(frozen=True, kw_only=True)
class SampleRatio:
    chi2: float
    p: float
    min_expected: float
    alarm: bool  # p < 0.001: the split is not what was asked for, the result is invalid


def sample_ratio(observed: Sequence[int], shares: Sequence[float]) -> SampleRatio:
    """Chi-square on users; for two arms with an expected count below 5 the exact binomial."""
    total = sum(observed)
    if total == 0:
        raise ValueError("no users were assigned")
    from scipy import stats  # two seconds, and who serves assigns users without it

    expected = np.asarray(shares, dtype=float) / sum(shares) * total
    chi2, p = stats.chisquare(observed, expected)
    # chi-square is an approximation that few expected users do not bear
    if expected.min() < 5 and len(observed) == 2:
        p = stats.binomtest(int(observed[0]), total, expected[0] / total).pvalue
    return SampleRatio(
        chi2=float(chi2), p=float(p), min_expected=float(expected.min()), alarm=bool(p < SRM_ALARM)
    )


@dataclass(frozen=True, kw_only=True)
class Unpaired:
    """Challenger minus champion between two groups of users."""

    difference: float
    se: float
    p: float  # Welch, two-sided


def welch(champion: Float[np.ndarray, "U0"], challenger: Float[np.ndarray, "U1"]) -> Unpaired:
    """Means may differ in variance; no spread in either group gives p = 1 for equal means and 0 otherwise."""
    difference = float(challenger.mean() - champion.mean())
    parts = [group.var(ddof=1) / len(group) for group in (champion, challenger)]
    se = math.sqrt(sum(parts))
    if se == 0:
        return Unpaired(difference=difference, se=0.0, p=float(difference == 0))
    # Welch-Satterthwaite
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(champion) - 1) + parts[1] ** 2 / (len(challenger) - 1))
    return Unpaired(difference=difference, se=se, p=float(2 * special.stdtr(freedom, -abs(difference / se))))


@dataclass(frozen=True, kw_only=True)
class Cuped:
    theta: float
    raw: Unpaired
    adjusted: Unpaired
    variance_reduction: float


def cuped(before: Float[np.ndarray, "U"], after: Float[np.ndarray, "U"], arm: Int[np.ndarray, "U"]) -> Cuped:
    """Take out of `after` what `before` (strictly earlier than the split) explains; arm 0 is the champion.

    theta = cov / var over both arms; a constant `before` gives theta 0; a missing one counts as the mean.
    """
    x = np.where(np.isnan(before), np.nanmean(before), before)
    variance = x.var(ddof=1)
    covariance = float(((x - x.mean()) * (after - after.mean())).sum()) / (len(x) - 1)
    # a covariate without spread explains nothing
    theta = float(covariance / variance) if variance > 0 else 0.0
    reduced = after - theta * (x - x.mean())
    raw = welch(after[arm == 0], after[arm == 1])
    adjusted = welch(reduced[arm == 0], reduced[arm == 1])
    saved = 1 - (adjusted.se / raw.se) ** 2 if raw.se > 0 else 0.0
    return Cuped(theta=theta, raw=raw, adjusted=adjusted, variance_reduction=saved)


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What a live test of these users, dealt half to each arm, would have shown; never the gate's test."""

    challenger: str
    baseline: str  # arm 0
    metric: str
    salt: str
    counts: tuple[int, int]  # users of baseline and challenger
    sample_ratio: SampleRatio
    unpaired: Unpaired
    cuped: Cuped  # its covariate: events before the cut
    paired_mde: float  # least difference found by the gate's contrast, every user under both arms
    unpaired_mde: float  # … by this split
    cuped_mde: float
    is_valid: bool  # False where the sample ratio gives the alarm
    reason: str


def rehearse(
    baseline_values: Float[np.ndarray, "U"],
    challenger_values: Float[np.ndarray, "U"],
    before: Float[np.ndarray, "U"],
    user_ids: Sequence[str],
    *,
    challenger: str,
    baseline: str,
    metric: str,
    salt: str,
    alpha: float,
    power: float,
) -> Rehearsal | None:
    """Deal the users by hash and compare the groups: each user counts under one arm only.

    `before` is what is known of each user from before the cut, alike for both arms. Users without a value are
    left out. None where a group has fewer than two users.
    """
    known = ~np.isnan(baseline_values) & ~np.isnan(challenger_values)
    ids = [user_id for user_id, is_known in zip(user_ids, known, strict=True) if is_known]
    arm = assign_arms(salt, ids, _SHARES) if ids else np.zeros(0, dtype=np.int64)
    counts = np.bincount(arm, minlength=2)
    if counts.min() < 2:
        return None
    ratio = sample_ratio(counts.tolist(), _SHARES)
    after = np.where(arm == 1, challenger_values[known], baseline_values[known])
    adjusted = cuped(np.asarray(before, dtype=float)[known], after, arm)
    differences = challenger_values[known] - baseline_values[known]
    # (z_{1-alpha/2} + z_power) standard errors is what each contrast can detect
    factor = float(special.ndtri(1 - alpha / 2) + special.ndtri(power))
    alarm = (
        f"sample ratio {counts[0]}:{counts[1]} has p = {ratio.p:.2g} under {SRM_ALARM}: the split is broken"
    )
    return Rehearsal(
        challenger=challenger,
        baseline=baseline,
        metric=metric,
        salt=salt,
        counts=(int(counts[0]), int(counts[1])),
        sample_ratio=ratio,
        unpaired=adjusted.raw,
        cuped=adjusted,
        paired_mde=factor * float(differences.std(ddof=1)) / math.sqrt(len(differences)),
        unpaired_mde=factor * adjusted.raw.se,
        cuped_mde=factor * adjusted.adjusted.se,
        is_valid=not ratio.alarm,
        reason=alarm if ratio.alarm else f"users are split {counts[0]}:{counts[1]} (p = {ratio.p:.2g})",
    )
