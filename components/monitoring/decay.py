"""Decay: the champion's NDCG@10 on events that came after its own replay window, against what it had there.

The unit is the user. Few users act in both windows, so that the two means are compared unpaired; where enough do,
their own differences are told beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from components.evaluation.bootstrap import bootstrap_means, interval
from components.monitoring.limits import MonitorLimits
from components.monitoring.measure import Found, Measure, Question, judged, not_evaluable

DECAY = Question(
    name="metric/ndcg@10", group="metric", title="NDCG@10 of the champion",
    meaning="fall below its own replay window, in parts of it", unit="users",
)  # fmt: skip
_RESAMPLES = 10_000
_SEED = 7


@dataclass(frozen=True, kw_only=True)
class Decay:
    """Differences are fresh minus then; NaN where there are too few users for an interval."""

    lower: float  # 95 % interval of the difference of means
    upper: float
    num_paired: int  # users of both windows
    paired: float  # mean of their own differences
    paired_lower: float
    paired_upper: float


def decay_measure(
    then: Mapping[str, float], fresh: Mapping[str, float], limits: MonitorLimits
) -> tuple[Measure, Decay | None]:
    """`then` and `fresh` map a user to the champion's NDCG@10 in either window."""
    before, now = (np.array(list(values.values()), dtype=float) for values in (then, fresh))
    if not len(before) or not len(now):
        return no_decay_measure("no user has a list in both windows", limits), None
    reference, current = float(before.mean()), float(now.mean())
    scatter = math.sqrt(before.var() / len(before) + now.var() / len(now))
    found = Found(
        reference=reference, current=current,
        value=1 - current / reference if reference > 0 else math.nan,
        noise=float(-special.ndtri(limits.alpha)) * scatter / reference if reference > 0 else math.nan,
        num_reference=len(before), num_current=len(now), fewest=limits.min_users,
    )  # fmt: skip
    return judged(DECAY, found, limits.metric_fall), _intervals(then, fresh, before, now)


def no_decay_measure(reason: str, limits: MonitorLimits) -> Measure:
    return not_evaluable(DECAY, limits.metric_fall, reason)


def _intervals(
    then: Mapping[str, float], fresh: Mapping[str, float],
    before: Float[np.ndarray, "U"], now: Float[np.ndarray, "V"],
) -> Decay:  # fmt: skip
    drawn = [
        bootstrap_means(values[:, None], resamples=_RESAMPLES, seed=_SEED + n)[:, 0]
        for n, values in enumerate((before, now))
    ]
    lower, upper = np.quantile(drawn[1] - drawn[0], [0.025, 0.975])
    both = sorted(then.keys() & fresh.keys())
    own = np.array([fresh[user] - then[user] for user in both])
    paired = (math.nan,) * 3
    if len(own) > 1:
        replicates = bootstrap_means(own[:, None], resamples=_RESAMPLES, seed=_SEED)[:, 0]
        paired = (float(own.mean()), *interval(replicates, own))
    return Decay(
        lower=float(lower), upper=float(upper), num_paired=len(both),
        paired=paired[0], paired_lower=paired[1], paired_upper=paired[2],
    )  # fmt: skip
