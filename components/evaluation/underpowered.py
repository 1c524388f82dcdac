"""What a window and a profile can tell at all, said before anybody waits for the arms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from components.evaluation.gate import GateProfile
from components.evaluation.plan import ReplayPlan
from components.evaluation.replay import compare, score_replay
from components.evaluation.satisfiability import satisfiability_of

_GUESSED_FROM = ("popularity", "random")


def why_underpowered(
    plan: ReplayPlan, lists: Mapping[str, Int[np.ndarray, "R k"]], profile: GateProfile
) -> str | None:
    """Why the profile cannot be satisfied on this window, or would miss what is of interest; None if neither.

    How far differences of users spread is guessed by popularity minus random, whose lists are among `lists`:
    two good arms that agree half (correlation .5) spread as wide as one of them alone.
    """
    scores = score_replay(plan, {arm: lists[arm] for arm in _GUESSED_FROM}, metrics=(profile.primary.metric,))
    guess = compare(scores, *_GUESSED_FROM, metric=profile.primary.metric, resamples=2_000)
    found = satisfiability_of(
        profile, users=len(plan.users), sd=guess.sd, candidates=int(plan.candidates.sum()), requests=len(plan)
    )
    return f"profile {profile.name}: {found.reason}" if found.reason else None
