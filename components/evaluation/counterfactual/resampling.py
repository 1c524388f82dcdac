"""Intervals of counterfactual estimators: whole clusters of rounds are drawn again, whole estimators recomputed.

Shapes: N rounds, U clusters, B resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float, Int

from components.evaluation.bootstrap import bootstrap_means
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
    places: dict[int, int] = {}

    def place_of(column: np.ndarray) -> int:
        """Estimators share columns, such as the weights: each is resampled once."""
        if id(column) not in places:
            places[id(column)] = len(columns)
            columns.append(column)
        return places[id(column)]

    made = {name: _resampled_columns(term, place_of) for name, term in terms.items()}
    sums = np.column_stack([np.bincount(cluster, weights=c, minlength=num_clusters) for c in columns])
    means = bootstrap_means(sums, resamples=resamples, seed=seed)
    found = {}
    for name, (plain, numerator, denominator) in made.items():
        value = np.zeros(resamples) if plain is None else means[:, plain] / means[:, 0]
        if numerator is not None and denominator is not None:
            has_weight = means[:, denominator] > _NOTHING * sums[:, denominator].mean()
            ratio = means[:, numerator] / np.where(has_weight, means[:, denominator], 1.0)
            value = np.where(has_weight, value + ratio, np.nan)
        found[name] = value
    return found


def _resampled_columns(
    term: Terms, place_of: Callable[[np.ndarray], int]
) -> tuple[int | None, int | None, int | None]:
    """Places of an estimator's plain column, numerator and denominator among all columns."""
    plain = term.plain
    if plain is not None and term.model_error is not None:
        plain = plain + term.model_error
    return (
        None if plain is None else place_of(plain),
        None if term.numerator is None else place_of(term.numerator),
        None if term.denominator is None else place_of(term.denominator),
    )


def bounds(replicates: Float[np.ndarray, "B"], *, alpha_one_sided: float) -> tuple[float, float]:
    """Percentile interval; undefined (NaN) where some resample is, since then the rounds are too few for one."""
    if not np.isfinite(replicates).all():
        return float("nan"), float("nan")
    lower, upper = np.quantile(replicates, [alpha_one_sided, 1 - alpha_one_sided])
    return float(lower), float(upper)
