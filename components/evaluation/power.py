"""The power of the whole gate: the chance that a challenger that is better by so much passes every rule at once.

The primary's test alone promises too much: a guardrail whose margin is narrower than its own interval fails by
chance, and the must_beat arms are judged on the same users. All bounds of a window are means over its users, so
their errors are jointly normal with a covariance that the users give; drawing from it costs milliseconds.
Source: Chuang-Stein et al. 2007, doi:10.1002/pst.215 (several endpoints that must all be met).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from components.evaluation.profile import GateProfile, NonInferiority, PromotionPower
from components.evaluation.scores import WHOLE, ReplayScores

DRAWS = 40_000  # error of a power of .8: .002


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A lower bound that must lie above `floor`.

    `ahead` is how much farther from this rival than from the champion the challenger truly is: its true
    difference is the effect plus that. None for a guarded metric, which is taken to stay as it is.
    """

    name: str
    differences: Float[np.ndarray, "U"]  # challenger minus baseline, NaN where the user does not count
    floor: float
    ahead: float | None


def promotion_power(
    scores: ReplayScores,
    challenger: str,
    champion: str | None,
    profile: GateProfile,
    *,
    alpha_one_sided: float,
) -> PromotionPower | None:
    """What the profile's bootstrap gate would make of such a challenger on these users; None without users."""
    rules = gate_rules(scores, challenger, champion, profile)
    if not rules or any(np.count_nonzero(~np.isnan(rule.differences)) < 2 for rule in rules):
        return None
    needed = required_effects(rules, alpha_one_sided=alpha_one_sided, seed=profile.primary.seed)
    effect, wanted = profile.primary.effect_of_interest, profile.primary.power
    whole = needed.max(axis=1)
    passes = np.isneginf(needed)  # a guardrail that passes asks for no effect
    guards = {rule.name: float(passes[:, i].mean()) for i, rule in enumerate(rules) if rule.ahead is None}
    promotable = float(np.quantile(whole, wanted, method="higher"))
    weakest = min(guards, key=guards.__getitem__, default="")
    return PromotionPower(
        effect=effect,
        power=float((whole < effect).mean()),
        primary_power=float((needed[:, 0] < effect).mean()),
        ceiling=float((whole < math.inf).mean()),
        promotable_effect=promotable if math.isfinite(promotable) else None,
        hindrance=f"{weakest} is proven with chance {guards[weakest]:.2f}" if weakest else "",
    )


def gate_rules(
    scores: ReplayScores, challenger: str, champion: str | None, profile: GateProfile
) -> tuple[Rule, ...]:
    """Every bound that `decide` reads, the primary against the champion (else the first rival) first."""
    metric = profile.primary.metric
    rivals = [arm for arm in (champion, *profile.must_beat) if arm in scores.arms and arm != challenger]
    rules = []
    for rival in rivals:
        lead = scores.of(rivals[0], metric) - scores.of(rival, metric)
        difference = scores.of(challenger, metric) - scores.of(rival, metric)
        ahead = float(lead[~np.isnan(lead)].mean()) if not np.isnan(lead).all() else 0.0
        rules.append(Rule(name=f"{metric} against {rival}", differences=difference, floor=0.0, ahead=ahead))
    guards = [g for g in profile.required if isinstance(g, NonInferiority)]
    for guard in [*guards, *profile.if_evaluable] if champion else []:
        if guard.slice not in scores.slices:
            continue
        difference = scores.of(challenger, guard.metric, guard.slice) - scores.of(
            str(champion), guard.metric, guard.slice
        )
        if (
            guard.slice != WHOLE
            and np.count_nonzero(~np.isnan(difference)) < profile.validity.min_slice_users
        ):
            continue
        where = "" if guard.slice == WHOLE else f" of {guard.slice}"
        name = f"{guard.metric}{where} within {guard.margin:g}"
        rules.append(Rule(name=name, differences=difference, floor=-guard.margin, ahead=None))
    return tuple(rules)


def required_effects(
    rules: Sequence[Rule], *, alpha_one_sided: float, seed: int, draws: int = DRAWS
) -> Float[np.ndarray, "draws rule"]:
    """The effect above which each rule passes, in draws of what the users might have been.

    -inf where a guardrail passes, inf where it does not. The draws share the errors of all rules.
    """
    centred = np.column_stack([rule.differences - np.nanmean(rule.differences) for rule in rules])
    counted = ~np.isnan(centred)
    n = counted.sum(axis=0)
    scaled = np.where(counted, centred, 0.0) / n
    covariance = np.einsum("ur,us->rs", scaled, scaled)  # not by BLAS, whose last bits turn with its threads
    se = np.sqrt(np.diag(covariance) * n / (n - 1))
    half = stats.t.ppf(1 - alpha_one_sided, n - 1) * se
    # a little on the diagonal: differences of one metric to two rivals may be all but the same
    root = np.linalg.cholesky(covariance + np.diag(1e-9 * np.diag(covariance) + 1e-30))
    errors = np.einsum("dr,sr->ds", np.random.default_rng(seed).standard_normal((draws, len(rules))), root)
    short = np.array([rule.floor for rule in rules]) + half - errors  # truth must be above it
    for place, rule in enumerate(rules):
        if rule.ahead is None:
            short[:, place] = np.where(short[:, place] < 0, -math.inf, math.inf)
        else:
            short[:, place] -= rule.ahead
    return short
