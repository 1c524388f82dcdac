"""The gate that runs again as data arrives: a replay's comparisons with bounds that hold at every look."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.evaluation import statistics
from components.evaluation.comparison import Comparison
from components.evaluation.profile import GateProfile, NonInferiority
from components.evaluation.rehearsal import hash_order
from components.evaluation.scores import ReplayScores
from components.evaluation.sequential import SequentialPath, follow


def at_every_look(
    found: Comparison, scores: ReplayScores, champion: str | None, profile: GateProfile, alpha: float
) -> Comparison:
    """With the sequential test enabled: the bounds that hold however often one looks, for what a rule reads.

    That is the primary against every rival, and the required guardrails against the champion. Slices keep their
    bootstrap: they are read only once they have the users. The least detectable difference is what leaves the
    last look's half-width behind it with the profile's power.
    """
    guarded = {g.metric for g in profile.required if isinstance(g, NonInferiority)}
    is_read = found.metric == profile.primary.metric or (
        found.baseline == champion and found.metric in guarded
    )
    if not profile.sequential.enabled or not is_read or not found.n:
        return found
    path = path_of(scores, found.challenger, found.baseline, found.metric, profile, alpha)
    assert path is not None
    lower, upper = path.lower[-1], path.upper[-1]
    missed = statistics.minimum_detectable_effect(found.sd, found.n, alpha=1.0, power=profile.primary.power)
    return replace(
        found, lower=lower, upper=upper, mde=(upper - lower) / 2 + missed, test=profile.sequential.method
    )


def path_of(
    scores: ReplayScores, challenger: str, baseline: str, metric: str, profile: GateProfile, alpha: float
) -> SequentialPath | None:
    """The sequential path of one metric, users in hash order; None without users."""
    settings = profile.sequential
    differences = scores.of(challenger, metric) - scores.of(baseline, metric)
    ordered = differences[hash_order(settings.salt, scores.users.tolist())]
    ordered = ordered[~np.isnan(ordered)]
    if not len(ordered):
        return None
    return follow(
        ordered, challenger=challenger, baseline=baseline, metric=metric, method=settings.method,
        alpha=2 * alpha, n_min=settings.n_min, v_opt=settings.v_opt, decides=settings.enabled,
    )  # fmt: skip
