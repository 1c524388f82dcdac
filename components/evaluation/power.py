"""The power of the whole gate: the chance that a challenger that is better by so much passes every rule at once.

The primary's test alone promises too much: a guardrail whose margin is narrower than its own interval fails by
chance, and the must_beat arms are judged on the same users. A resample of the users stands for another window:
it moves all estimates, and all errors, together. Each is shifted to the supposed truth and judged by the
interval that this window's own test gave, in standard errors. How far the must_beat arms lie behind the champion is
taken from the window too: where one is close enough to decide, that estimate's own error draws what is announced
towards one half, by two to four points in the simulations of docs/benchmarks.md.
Sources: Beran 1986, doi:10.1214/aos/1176349847 (power by bootstrap), Chuang-Stein et al. 2007,
doi:10.1002/pst.215 (several endpoints that must all be met).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from components.evaluation import statistics
from components.evaluation.bootstrap import bootstrap_means
from components.evaluation.comparison import Comparison
from components.evaluation.profile import GateProfile, NonInferiority
from components.evaluation.satisfiability import PromotionPower
from components.evaluation.scores import WHOLE, ReplayScores

RESAMPLES = 4_000  # error of a power of .8: .006


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A lower bound that must lie above `floor`.

    `ahead` is how much farther from this rival than from the champion the challenger truly is: its true
    difference is the effect plus that. None for a guarded metric, which is taken to stay as it is.
    """

    name: str
    differences: Float[np.ndarray, "U"]  # challenger minus baseline, NaN where the user does not count
    half_width: float  # from the estimate down to its lower bound, as the gate's test had it
    floor: float
    ahead: float | None


def promotion_power(
    scores: ReplayScores,
    challenger: str,
    champion: str | None,
    profile: GateProfile,
    comparisons: Iterable[Comparison],
) -> PromotionPower | None:
    """What the gate would make of such a challenger on such users; None where a rule was not measured."""
    rules = gate_rules(scores, challenger, champion, profile, comparisons)
    if not rules or not all(math.isfinite(rule.half_width) for rule in rules):
        return None
    needed = required_effects(rules, seed=profile.primary.seed)
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
    scores: ReplayScores,
    challenger: str,
    champion: str | None,
    profile: GateProfile,
    comparisons: Iterable[Comparison],
) -> tuple[Rule, ...]:
    """Every bound that `decide` reads, the primary against the champion (else the first rival) first."""
    widths = {(c.baseline, c.metric, c.slice): c.delta - c.lower for c in comparisons}
    metric = profile.primary.metric
    rivals = [arm for arm in (champion, *profile.must_beat) if arm in scores.arms and arm != challenger]
    rules = []
    for rival in rivals:
        lead = scores.of(rivals[0], metric) - scores.of(rival, metric)
        rules.append(
            Rule(
                name=f"{metric} against {rival}",
                differences=scores.of(challenger, metric) - scores.of(rival, metric),
                half_width=widths.get((rival, metric, WHOLE), math.nan),
                floor=0.0,
                ahead=float(lead[~np.isnan(lead)].mean()) if not np.isnan(lead).all() else math.nan,
            )
        )
    guards = [g for g in profile.required if isinstance(g, NonInferiority)]
    for guard in [*guards, *profile.if_evaluable] if champion else []:
        if guard.slice not in scores.slices:
            continue
        old = scores.of(str(champion), guard.metric, guard.slice)
        difference = scores.of(challenger, guard.metric, guard.slice) - old
        is_small = np.count_nonzero(~np.isnan(difference)) < profile.validity.min_slice_users
        if guard.slice != WHOLE and is_small:
            continue
        where = "" if guard.slice == WHOLE else f" of {guard.slice}"
        rules.append(
            Rule(
                name=f"{guard.metric}{where} within {guard.margin:g}",
                differences=difference,
                half_width=widths.get((str(champion), guard.metric, guard.slice), math.nan),
                floor=-guard.margin,
                ahead=None,
            )
        )
    return tuple(rules)


def required_effects(
    rules: Sequence[Rule], *, seed: int, resamples: int = RESAMPLES
) -> Float[np.ndarray, "B rule"]:
    """The effect above which each rule passes, in resamples of the users.

    -inf where a guardrail passes, inf where it does not.
    """
    differences = np.column_stack([rule.differences for rule in rules])
    counted = ~np.isnan(differences)
    mean = np.nanmean(differences, axis=0)
    centred = np.where(counted, differences - mean, 0.0)
    sd = np.sqrt((centred**2).sum(axis=0) / counted.sum(axis=0))
    unit = centred / np.where(sd > statistics.TIE, sd, 1.0)
    sums = bootstrap_means(np.hstack([unit, unit**2, counted.astype(float)]), resamples=resamples, seed=seed)
    first, second, share = np.split(sums, 3, axis=1)
    # a resample may hold no user of a small slice at all
    share = np.maximum(share, 1 / len(differences))
    error = first / share  # of the resampled mean, in standard deviations of a user
    spread = np.sqrt(np.maximum(second / share - error**2, 0.0) * counted.mean(axis=0) / share)
    floors, halves = np.array([rule.floor for rule in rules]), np.array([rule.half_width for rule in rules])
    # how far each lower bound falls short of its floor where the true difference is 0
    short: np.ndarray = floors + halves * spread - error * sd
    for place, rule in enumerate(rules):
        if rule.ahead is None:
            # what is guarded is supposed to stay: it passes or not, whatever the effect
            short[:, place] = np.where(short[:, place] < 0, -math.inf, math.inf)
        else:
            short[:, place] -= rule.ahead
    return short
