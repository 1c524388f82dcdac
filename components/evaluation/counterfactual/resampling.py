"""Intervals of counterfactual estimators: whole clusters of rounds are drawn again, whole estimators recomputed.

Shapes: N rounds, U clusters, B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from components.evaluation import statistics
from components.evaluation.counterfactual.estimators import Terms

_NOTHING = 1e-6  # of a denominator's own mean: smaller is a resample without any weight


def resample(
    terms: Mapping[str, Terms], cluster: Int[np.ndarray, "N"], *, resamples: int, seed: int
) -> dict[str, Float[np.ndarray, "B"]]:
    """Each estimator on B draws of U clusters with replacement; the same draw for all, so they may be subtracted.

    An estimator is NaN in a resample whose denominator is 0. Memory: B × columns and 2 MB.
    """
    num_clusters = int(cluster.max()) + 1
    columns: list[np.ndarray] = [np.ones(len(cluster))]
    for term in terms.values():
        plain = term.plain if term.model_error is None else term.plain + term.model_error
        columns += [plain, *(c for c in (term.numerator, term.denominator) if c is not None)]
    sums = np.column_stack([np.bincount(cluster, weights=c, minlength=num_clusters) for c in columns])
    means = statistics.bootstrap_means(sums, resamples=resamples, seed=seed)
    rounds, at, found = means[:, 0], 1, {}
    for name, term in terms.items():
        value = means[:, at] / rounds
        at += 1
        if term.denominator is not None:
            numerator, denominator = means[:, at], means[:, at + 1]
            has_weight = denominator > _NOTHING * sums[:, at + 1].mean()
            ratio = numerator / np.where(has_weight, denominator, 1.0)
            value = np.where(has_weight, value + ratio, np.nan)
            at += 2
        found[name] = value
    return found


def bounds(replicates: Float[np.ndarray, "B"], *, alpha_one_sided: float) -> tuple[float, float]:
    """Percentile interval; undefined (NaN) where some resample is, since then the rounds are too few for one."""
    if not np.isfinite(replicates).all():
        return float("nan"), float("nan")
    lower, upper = np.quantile(replicates, [alpha_one_sided, 1 - alpha_one_sided])
    return float(lower), float(upper)
