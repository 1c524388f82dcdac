"""An estimate with its interval, beside the log's own mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from components.evaluation.counterfactual.estimators import Terms
from components.evaluation.counterfactual.resampling import bounds

_SAME = 1e-6  # resampled values this near each other, in units of the log's mean, show no spread


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Value a round, and its difference from the log's mean reward; NaN where undefined, and `note` says why."""

    name: str
    value: float
    lower: float
    upper: float
    delta: float
    delta_lower: float
    delta_upper: float
    delta_se: float
    threshold: float | None  # of clipping, switching, shrinking
    note: str


def undefined(name: str, note: str) -> Estimate:
    """No value, and why."""
    return Estimate(
        name=name, value=math.nan, lower=math.nan, upper=math.nan, delta=math.nan, delta_lower=math.nan,
        delta_upper=math.nan, delta_se=math.nan, threshold=None, note=note,
    )  # fmt: skip


def estimate(
    name: str,
    terms: Terms,
    drawn: Float[np.ndarray, "B"],
    logged: Terms,
    logged_drawn: Float[np.ndarray, "B"],
    *,
    alpha_one_sided: float,
    threshold: float | None = None,
    note: str = "",
) -> Estimate:
    """From an estimator's terms and its resamples, and the log's mean in the same resamples.

    Resamples that all give one value although the log's own mean moves show what the rounds never held, not
    certainty: such an interval is undefined.
    """
    value, mean = terms.value, logged.value
    lower, upper = bounds(drawn, alpha_one_sided=alpha_one_sided)
    delta_lower, delta_upper = bounds(drawn - logged_drawn, alpha_one_sided=alpha_one_sided)
    # in units of the log's mean, since sums in resamples differ by rounding
    same = _SAME * abs(mean)
    if np.ptp(drawn) <= same < np.ptp(logged_drawn):
        lower = upper = delta_lower = delta_upper = math.nan
        note = "; ".join(filter(None, [note, "every round it weighs brought the same reward"]))
    return Estimate(
        name=name,
        value=value,
        lower=lower,
        upper=upper,
        delta=value - mean,
        delta_lower=delta_lower,
        delta_upper=delta_upper,
        delta_se=float((drawn - logged_drawn).std(ddof=1)),
        threshold=threshold,
        note=note,
    )
