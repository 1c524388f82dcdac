"""Student's figures of paired differences, which the bootstrap and the permutation test are held against.

Shapes: U users.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from components.evaluation.statistics import TIE, standard_deviation


@dataclass(frozen=True, kw_only=True)
class PairedT:
    """Student's figures of the mean of paired differences; used beside the bootstrap, not in its place."""

    n: int
    mean: float
    se: float
    t: float
    p: float  # two-sided
    lower: float
    upper: float
    dz: float  # Cohen's: mean / sd


def paired_t(differences: Float[np.ndarray, "U"], *, confidence: float = 0.95) -> PairedT:
    """All differences equal gives se 0, and p = 1 if they are zero: a deviation of 0 never divides."""
    n = len(differences)
    mean = float(differences.mean())
    sd = standard_deviation(differences)
    if sd == 0:
        p = 1.0 if abs(mean) <= TIE else 0.0
        return PairedT(n=n, mean=mean, se=0.0, t=0.0, p=p, lower=mean, upper=mean, dz=0.0)
    se = sd / math.sqrt(n)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * se
    t = mean / se
    p = float(2 * stats.t.sf(abs(t), n - 1))
    return PairedT(n=n, mean=mean, se=se, t=t, p=p, lower=mean - half, upper=mean + half, dz=mean / sd)


def non_inferiority_p(differences: Float[np.ndarray, "U"], margin: float) -> float:
    """One-sided p of H0: mean(d) <= -margin (margin > 0, in the metric's own units)."""
    figures = paired_t(differences)
    if figures.se == 0:
        return 0.0 if figures.mean > -margin else 1.0
    return float(stats.t.sf((figures.mean + margin) / figures.se, figures.n - 1))
