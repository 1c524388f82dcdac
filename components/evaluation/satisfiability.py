"""Whether a window can answer what a profile asks: said before a verdict is reached, and beside it.

A profile that no challenger could satisfy on this window, or whose test would miss what is of interest, is
said to be so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from components.evaluation import statistics
from components.evaluation.profile import GateProfile, Threshold


@dataclass(frozen=True, kw_only=True)
class PromotionPower:
    """Of a challenger that is ahead of the champion on the primary metric, and level with it on what is guarded."""

    effect: float  # the effect of interest
    power: float  # chance of PROMOTE at that effect
    primary_power: float  # the same, if the primary's test were the only rule
    ceiling: float  # chance that all guardrails pass: no effect has a higher power
    promotable_effect: float | None  # least with the profile's power; None where the ceiling is below it
    hindrance: str  # the guardrail that is most often unproven, and how often; empty without guardrails


@dataclass(frozen=True, kw_only=True)
class Satisfiability:
    satisfiable: bool
    detectable_effect: float | None  # absolute difference of the primary found with the profile's power
    detects_interest: bool | None  # whether the effect of interest is one; None while the spread is unknown
    promotion: PromotionPower | None  # of all rules together; None before the window is scored
    reason: str  # why it can never be satisfied, or what it is blind to


def satisfiability_of(
    profile: GateProfile,
    *,
    users: int,
    sd: float | None = None,
    alpha_one_sided: float | None = None,
    candidates: int | None = None,
    requests: int | None = None,
    promotion: PromotionPower | None = None,
) -> Satisfiability:
    """Could any challenger pass on a window of `users`, whose paired differences spread by `sd`?

    `alpha_one_sided` is what is left to this challenger (default: all of it). `candidates` and `requests`
    bound the coverage that lists can reach. `promotion` is the power of all rules together.
    """
    alpha = profile.primary.alpha_one_sided if alpha_one_sided is None else alpha_one_sided
    never = _never(profile, users, alpha, candidates, requests)
    detectable = None
    if sd is not None and alpha > 0 and users > 1:
        detectable = statistics.minimum_detectable_effect(
            sd, users, alpha=alpha, power=profile.primary.power, alternative="larger"
        )
    blind = "" if sd is None else _blind(profile, users, sd, alpha, detectable)
    held = ""
    if promotion and promotion.ceiling < profile.primary.power:
        held = (
            f"the guardrails let at most {promotion.ceiling:.0%} of challengers pass that change nothing on "
            f"them, however good ({promotion.hindrance}); take a longer window"
        )
    return Satisfiability(
        satisfiable=not never,
        detectable_effect=detectable,
        detects_interest=None if detectable is None else not blind,
        promotion=promotion,
        reason="; ".join(filter(None, [*never, blind, held])),
    )


def _never(
    profile: GateProfile, users: int, alpha: float, candidates: int | None, requests: int | None
) -> list[str]:
    """Why no challenger whatever could pass."""
    never = []
    if users < profile.validity.min_users:
        never.append(
            f"profile {profile.name} asks for {profile.validity.min_users} users, and the window holds {users}"
        )
    if profile.sequential.enabled and users < profile.sequential.n_min:
        never.append(
            f"the sequential test looks first at {profile.sequential.n_min} users, and the window holds {users}"
        )
    if alpha <= 0:
        never.append("the window's alpha is spent: no challenger can be promoted on it")
    for guard in profile.required:
        most = _most(guard, candidates, requests) if isinstance(guard, Threshold) else 1.0
        if isinstance(guard, Threshold) and most < guard.min_value:
            never.append(
                f"{guard.metric} of {guard.min_value:g} is out of reach: {requests} lists hold at most "
                f"{most:.3f} of {candidates} candidates"
            )
    return never


def _blind(profile: GateProfile, users: int, sd: float, alpha: float, detectable: float | None) -> str:
    """What the primary's test is likely to miss although it is of interest; empty where it is nothing."""
    interest = profile.primary.effect_of_interest
    if detectable is None or detectable <= interest:
        return ""
    needed = statistics.users_needed(
        sd, interest, alpha=alpha, power=profile.primary.power, alternative="larger"
    )
    return (
        f"with {users} users and a spread of {sd:.3f} differences below {detectable:.4f} are likely "
        f"missed; the effect of interest, {interest:g}, would need {math.ceil(needed):,} users"
    )


def _most(guard: Threshold, candidates: int | None, requests: int | None) -> float:
    """The largest value that a coverage can take; other figures have no bound but 1."""
    measure, _, k = guard.metric.partition("@")
    if measure != "coverage" or not candidates or requests is None:
        return 1.0
    # every place another item: more cannot be shown
    return min(1.0, requests * int(k) / candidates)
