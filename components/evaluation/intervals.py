"""Intervals of means over users, many columns at once: what the gate's bounds are made of.

Sources: Hall 1988 (studentised bootstrap), Hesterberg 2015, doi:10.1080/00031305.2015.1089789 (why not percentile).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import special

from components.evaluation import statistics
from components.evaluation.bootstrap import bootstrap_means, interval

Kind = Literal["studentised", "percentile", "basic", "bca"]
_COLUMNS = 256  # resampled together: 40 MB at 10,000 resamples


def mean_intervals(
    values: Float[np.ndarray, "U M"],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int,
    kind: Kind = "studentised",
) -> Float[np.ndarray, "M 2"]:
    """Two-sided interval of every column's mean; all columns share the draws of users.

    `studentised`, the default, is the wider at each end of the studentised bootstrap and Student's t. Each
    alone breaks the level of a one-sided test of .025 on some windows of 200-400 users, and on others than its
    partner: t where the differences are skewed against the challenger (.046-.051 at a skewness of -3.5), the
    studentised bootstrap where a few users carry a symmetric window, whose skewness it then takes for real
    (.047-.059). A sample that misses the rare losses is too good and too symmetric at once, so the end that
    skewness endangers is moved out by |skewness| / U standard deviations more. The figures stand in
    docs/benchmarks.md; `make bench ONLY=level,intervals` measures them.
    A column without spread has its mean for both ends.
    """
    bounds = np.empty((values.shape[1], 2))
    for begin in range(0, values.shape[1], _COLUMNS):
        columns = values[:, begin : begin + _COLUMNS]
        if kind == "studentised":
            bounds[begin : begin + _COLUMNS] = _studentised(columns, confidence, resamples, seed)
        else:
            replicates = bootstrap_means(columns, resamples=resamples, seed=seed)
            for column, sample in enumerate(columns.T):
                bounds[begin + column] = interval(
                    replicates[:, column], sample, confidence=confidence, kind=kind
                )
    return bounds


def _studentised(
    values: Float[np.ndarray, "U M"], confidence: float, resamples: int, seed: int
) -> Float[np.ndarray, "M 2"]:
    """mean - q se, with q the farther of the resampled and Student's quantile on either side, and farther by skewness.

    A resample in which all users are equal has no spread to divide by: it counts as one with 1/sqrt(U) of the
    sample's, what a single user who differs would give it.
    """
    num_users, num_columns = values.shape
    mean = values.mean(axis=0)
    centred = values - mean
    flat = np.abs(centred).max(axis=0) <= statistics.TIE
    sd = np.where(flat, 1.0, centred.std(axis=0))
    unit = centred / sd
    moments = bootstrap_means(np.hstack([unit, unit**2]), resamples=resamples, seed=seed)
    means, squares = moments[:, :num_columns], moments[:, num_columns:]
    # units have mean 0 and variance 1, so the resample's variance needs no second pass over its users
    spread = np.sqrt(np.maximum(squares - means**2, 1 / num_users))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(math.sqrt(num_users) * means / spread, tails, axis=0)
    if num_users > 1:
        # in units of sd / sqrt(U) with U under the root of sd, as the resampled quantiles are
        student = special.stdtrit(num_users - 1, tails[1]) * math.sqrt(num_users / (num_users - 1))
        low, high = np.minimum(low, -student), np.maximum(high, student)
    # the end that skewness endangers moves out, and the other never in
    shift = (unit**3).mean(axis=0) / math.sqrt(num_users)  # skewness, in standard errors of the mean
    high, low = high + np.maximum(-shift, 0.0), low - np.maximum(shift, 0.0)
    step = np.where(flat, 0.0, sd / math.sqrt(num_users))
    return np.column_stack([mean - high * step, mean - low * step])
