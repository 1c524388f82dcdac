"""Population stability index of two samples, and what it comes to where nothing has changed.

PSI = sum over bins of (q - p) ln(q / p), p and q the shares of a bin in reference and current sample. Where both
are drawn from one population it is not 0: of n and m independent rows in B bins it is about (1/n + 1/m) times a
chi-square of B - 1 degrees of freedom, so (B - 1)(1/n + 1/m) is expected (Yurdakul 2018, "Statistical properties
of the population stability index"). Events of one user are not independent, so that the variance of the shares is
taken between users, and the null is the second-order correction of Rao and Scott (1984, doi:10.1214/aos/1176346391):
a scaled chi-square with the mean and the variance of the quadratic form. With one event a user both agree.
Shapes: U, V users of the reference and of the current sample, B bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import special

_PRIOR = 0.5  # rows added to each bin, so that an empty one has a logarithm


@dataclass(frozen=True, kw_only=True)
class Stability:
    psi: float
    expected: float  # where nothing has changed
    noise: float  # exceeded with chance alpha where nothing has changed
    num_reference: int  # rows
    num_current: int
    num_users: int  # of the sample that has fewer


def population_stability(
    reference: Int[np.ndarray, "U B"], current: Int[np.ndarray, "V B"], *, alpha: float
) -> Stability:
    """PSI of bins that were chosen on the reference (or apart from both); each row counts what a user did.

    Users without a row do not count. NaN where one sample is empty.
    """
    reference, current = (counts[counts.any(axis=1)] for counts in (reference, current))
    n, m = int(reference.sum()), int(current.sum())
    if not n or not m:
        return Stability(
            psi=math.nan, expected=math.nan, noise=math.nan, num_reference=n, num_current=m, num_users=0
        )
    p, q = _shares(reference), _shares(current)
    scale = np.sqrt((p + q) / 2)
    form = (_covariance(reference) + _covariance(current)) / np.outer(scale, scale)
    mean, half_variance = float(np.trace(form)), float((form**2).sum())
    # few users, or bins that nobody is in, can make the estimate smaller than independent rows would give
    least = (len(p) - 1) * (1 / n + 1 / m)
    if mean < least:
        mean, half_variance = least, least**2 / (len(p) - 1)
    degrees = mean**2 / half_variance
    return Stability(
        psi=float(((q - p) * np.log(q / p)).sum()),
        expected=mean,
        noise=float(special.chdtri(degrees, alpha) * mean / degrees),
        num_reference=n,
        num_current=m,
        num_users=min(len(reference), len(current)),
    )


def counts_by_user(users: pd.Series, bins: Int[np.ndarray, "E"], *, num_bins: int) -> Int[np.ndarray, "U B"]:
    """How often each user is in each bin; an event with a negative bin is left out."""
    inside = bins >= 0
    row, names = pd.factorize(users[inside])
    counted = np.bincount(row * num_bins + bins[inside], minlength=len(names) * num_bins)
    return counted.reshape(len(names), num_bins)


def _shares(counts: Int[np.ndarray, "U B"]) -> Float[np.ndarray, "B"]:
    total = counts.sum(axis=0) + _PRIOR
    return total / total.sum()


def _covariance(counts: Int[np.ndarray, "U B"]) -> Float[np.ndarray, "B B"]:
    """Of the shares, by linearisation over users: rows may differ in how much they hold."""
    users, total = len(counts), counts.sum()
    residual = counts - np.outer(counts.sum(axis=1), counts.sum(axis=0) / total)
    return residual.T @ residual / total**2 * (users / max(users - 1, 1))
