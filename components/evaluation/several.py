"""Several challengers tried on one window at once: they share its alpha, and at most one of them goes on.

They are one attempt on the window, whose share of alpha Holm's step-down divides among them: each is first judged at
alpha / m; whoever passes leaves its part to those who did not, who are judged again at alpha / (m - passed), until
nobody more passes. To pass is to pass the whole gate at that alpha, an intersection of tests each at that alpha, so it
is itself a test at it. The chance that any challenger passes that should not stays below alpha whatever of them are
better and however they depend on one another; so it does for the one that is chosen among those that passed.
Sources: Holm 1979, A simple sequentially rejective multiple test procedure; Berger 1982 (intersection-union).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from components.evaluation.replay_evidence import ReplayEvidence
from components.evaluation.verdict import Outcome

T = TypeVar("T")
_BEST_FIRST = (Outcome.PROMOTE, Outcome.HOLD, Outcome.REJECT, Outcome.INVALID)


def step_down(
    challengers: Sequence[str], alpha: float, judge: Callable[[str, float], T], is_passed: Callable[[T], bool]
) -> dict[str, T]:
    """Challenger → what `judge` gave at the last alpha that it was judged at, in the order given.

    `judge` takes a challenger and its one-sided alpha. One challenger alone is judged once, at `alpha`.
    """
    judged: dict[str, T] = {}
    left = list(challengers)
    while left:
        judged |= {name: judge(name, alpha / len(left)) for name in left}
        still = [name for name in left if not is_passed(judged[name])]
        if len(still) == len(left):
            break
        left = still
    return {name: judged[name] for name in challengers}


@dataclass(frozen=True, kw_only=True)
class OneOfSeveral:
    """How one of the challengers that were judged together stands: JSON values."""

    challenger: str
    outcome: Outcome
    reason: str  # the first
    against: str  # the champion; without one, the first arm that must be beaten
    delta: float | None  # challenger minus that arm on the primary metric, paired by user; None: not measured
    lower: float | None
    upper: float | None
    alpha_one_sided: (
        float | None
    )  # at which it was judged at last; None: the champion's own artifact tries nothing


def stands(evidence: ReplayEvidence) -> OneOfSeveral:
    """What its own replay says of a challenger, latency included."""
    profile, found = evidence.profile, evidence.measured
    against = evidence.champion or profile.must_beat[0]
    lead = evidence.lead_over(against, profile.primary.metric)
    figures = (lead.delta, lead.lower, lead.upper) if lead else (math.nan,) * 3
    delta, lower, upper = (value if math.isfinite(value) else None for value in figures)
    return OneOfSeveral(
        challenger=evidence.challenger, outcome=found.outcome, reason=found.reasons[0], against=against,
        delta=delta, lower=lower, upper=upper,
        alpha_one_sided=evidence.attempt.alpha_one_sided if evidence.attempt else None,
    )  # fmt: skip


def best_of(judged: Sequence[OneOfSeveral]) -> OneOfSeveral:
    """The one that goes on: of those with the best outcome, the one with the largest paired difference.

    They were replayed on the same users against the same arm. The champion's own artifact only where nobody else is
    there. Of equals the first.
    """

    def rank(one: OneOfSeveral) -> tuple[bool, int, float]:
        delta = -math.inf if one.delta is None else one.delta
        return one.alpha_one_sided is not None, -_BEST_FIRST.index(one.outcome), delta

    return max(judged, key=rank)
