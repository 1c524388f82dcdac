"""Macro means of every arm over users, each with its own interval: for tables, since the gate reads differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluation.bootstrap import bootstrap_means, interval
from components.evaluation.profile import Primary
from components.evaluation.scores import ReplayScores


@dataclass(frozen=True, kw_only=True)
class ArmMean:
    """A macro mean over users, with its percentile bootstrap interval, which keeps to the metric's range."""

    arm: str
    metric: str
    n: int
    mean: float
    lower: float
    upper: float


def arm_means(scores: ReplayScores, arms: Sequence[str], primary: Primary) -> tuple[ArmMean, ...]:
    """Every metric of every arm, in their order; NaN without users. Resamples, seed and alpha are the primary's."""
    cells = [(arm, metric) for arm in arms for metric in scores.metrics]
    if not len(scores.users):
        return tuple(
            ArmMean(arm=arm, metric=metric, n=0, mean=math.nan, lower=math.nan, upper=math.nan)
            for arm, metric in cells
        )
    # all cells in one matrix, so that they share the draws of users
    columns = np.column_stack([scores.of(arm, metric) for arm, metric in cells])
    replicates = bootstrap_means(columns, resamples=primary.resamples, seed=primary.seed)
    means = []
    for column, (arm, metric) in enumerate(cells):
        values = columns[:, column]
        lower, upper = interval(replicates[:, column], values, confidence=1 - 2 * primary.alpha_one_sided)
        means.append(
            ArmMean(
                arm=arm, metric=metric, n=len(values), mean=float(values.mean()), lower=lower, upper=upper
            )
        )
    return tuple(means)
