"""The paired evidence on one metric: challenger minus baseline, user by user."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from components.evaluation import intervals, statistics
from components.evaluation.lift import fieller_interval, relative_lift
from components.evaluation.permutation import sign_flip_p

BOOTSTRAP = "paired_user_bootstrap"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Absolute difference of macro means with its two-sided interval; positive favours the challenger.

    With no spread (all users equal) nothing is divided: the interval is the difference itself, p is 1 for a
    difference of 0. Without users every figure is NaN.
    """

    challenger: str
    baseline: str
    metric: str
    slice: str  # "all" or a slice's name
    n: int  # users in both arms
    delta: float
    lower: float
    upper: float
    p: float  # sign-flip permutation, two-sided; NaN where it was not asked for
    challenger_mean: float
    baseline_mean: float
    relative_lift: float | None  # delta / baseline mean; None where the baseline is about 0
    dz: float  # delta / sd of the differences
    sd: float
    mde: float  # smallest true difference that the gate would have found with the profile's power, one-sided
    zero_share: float  # users whose difference is 0
    lift_lower: float | None = None  # Fieller; None where the baseline is not shown to be off 0
    lift_upper: float | None = None
    test: str = BOOTSTRAP  # what gave the bounds; or a sequential method

    @property
    def is_finite(self) -> bool:
        return all(math.isfinite(v) for v in (self.delta, self.lower, self.upper))


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """One question to the evidence: these users' values under two arms."""

    challenger: str
    baseline: str
    metric: str
    slice: str
    challenger_values: Float[np.ndarray, "U"]
    baseline_values: Float[np.ndarray, "U"]


def compare_pairs(
    pairings: Sequence[Pairing],
    *,
    alpha_one_sided: float = 0.025,
    resamples: int = 10_000,
    seed: int = 7,
    kind: intervals.Kind = "studentised",
    power: float = 0.8,
    permutations: int | None = None,
) -> tuple[Comparison, ...]:
    """Bound and permute every pairing; those with the same number of users share their draws.

    Users without a value in both arms are left out of that pairing. The interval holds 1 - 2 alpha, so each
    of its ends is a one-sided bound at alpha. `permutations` are as many as `resamples` unless said; with 0
    the p-values, which decide nothing, are left out.
    """
    permutations = resamples if permutations is None else permutations
    differences, kept = [], []
    for pairing in pairings:
        both = ~np.isnan(pairing.challenger_values) & ~np.isnan(pairing.baseline_values)
        kept.append(both)
        differences.append(pairing.challenger_values[both] - pairing.baseline_values[both])
    results: list[Comparison | None] = [None] * len(pairings)
    sizes = [len(d) for d in differences]
    # pairings of one size share draws: one resampling of many columns in place of one a column
    for size in sorted(set(sizes)):
        which = [i for i, n in enumerate(sizes) if n == size]
        bounds, p = np.full((len(which), 2), math.nan), np.full(len(which), math.nan)
        if size:
            columns = np.column_stack([differences[i] for i in which])
            bounds = intervals.mean_intervals(
                columns, confidence=1 - 2 * alpha_one_sided, resamples=resamples, seed=seed, kind=kind
            )
        if size and permutations:
            p = sign_flip_p(columns, resamples=permutations, seed=seed)
        for column, i in enumerate(which):
            results[i] = _comparison(
                pairings[i], kept[i], differences[i], bounds[column], float(p[column]),
                alpha=2 * alpha_one_sided, power=power,
            )  # fmt: skip
    return tuple(result for result in results if result is not None)


def _comparison(
    pairing: Pairing,
    both: np.ndarray,
    differences: np.ndarray,
    bounds: Float[np.ndarray, "2"],
    p: float,
    *,
    alpha: float,
    power: float,
) -> Comparison:
    n = len(differences)
    sd = statistics.standard_deviation(differences)
    delta = float(differences.mean()) if n else math.nan
    baseline = pairing.baseline_values[both]
    lift = fieller_interval(differences, baseline, confidence=1 - alpha)
    return Comparison(
        challenger=pairing.challenger,
        baseline=pairing.baseline,
        metric=pairing.metric,
        slice=pairing.slice,
        n=n,
        delta=delta,
        lower=float(bounds[0]),
        upper=float(bounds[1]),
        p=p,
        challenger_mean=float(pairing.challenger_values[both].mean()) if n else math.nan,
        baseline_mean=float(baseline.mean()) if n else math.nan,
        relative_lift=relative_lift(differences, baseline),
        dz=delta / sd if sd > 0 else 0.0,
        sd=sd,
        mde=statistics.minimum_detectable_effect(sd, n, alpha=alpha / 2, power=power, alternative="larger"),
        zero_share=float((np.abs(differences) <= statistics.TIE).mean()) if n else math.nan,
        lift_lower=lift[0] if lift else None,
        lift_upper=lift[1] if lift else None,
    )
