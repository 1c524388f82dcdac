"""The power curve: which true differences this many users would have shown, and with what chance."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from components.evaluation.comparison import Comparison
from components.evaluation.power import gate_rules, required_effects
from components.evaluation.profile import Primary
from components.evaluation.result import ReplayResult
from components.evaluation.statistics import power_at
from components.measures import name_of
from components.report.curve import Line, curves
from components.report.figure import Mark, figure
from components.report.templates import Markup, note
from components.report.text import number

_POINTS = 121
ALONE, WHOLE_GATE = "the primary's test", "the whole gate"


def power_curve(result: ReplayResult, primary: Comparison | None) -> Markup:
    """Power against the true difference, for this replay's users and spread: of the test, and of all rules."""
    if primary is None or primary.n < 2 or not primary.sd > 0 or not math.isfinite(primary.mde):
        return note("Without users whose differences spread there is no power to draw.")
    rule, alpha = result.profile.primary, result.alpha_one_sided
    # far enough to show the curve rise, the effect of interest and what was observed
    reach = max(2 * primary.mde, 1.25 * rule.effect_of_interest, 1.1 * abs(primary.delta))
    effects = np.linspace(0, reach, _POINTS)
    alone = np.array(
        [power_at(effect, primary.sd, primary.n, alpha=alpha, alternative="larger") for effect in effects]
    )
    lines = [Line(name=ALONE, x=effects, y=alone)]
    if result.satisfiability.promotion:
        lines.append(Line(name=WHOLE_GATE, x=effects, y=_of_gate(result, effects), color="rival"))
    at_interest = power_at(rule.effect_of_interest, primary.sd, primary.n, alpha=alpha, alternative="larger")
    told = (
        f"With {primary.n:,} users whose differences have a standard deviation of {number(primary.sd)}, a true "
        f"difference of {number(primary.mde)} would be found by the primary's test with {rule.power:.0%} "
        f"probability, and the effect of interest, {rule.effect_of_interest:g}, with {at_interest:.0%}"
        f"{_told_of_gate(result)}"
    )
    return figure(
        curves(
            lines,
            x={"title": {"text": f"true difference in {name_of(primary.metric)}"}, "range": [0, reach]},
            y={"title": {"text": "probability"}, "range": [0, 1.02], "tickformat": ".0%"},
            told=f"Power curve. {told}.",
            caption=f"Power of this replay (one-sided at {alpha:.3g}, as the gate tests). {told}. Power explains a "
            "result that is not significant; it takes nothing from one that is.",
            marked=_marked(primary, rule),
            height=310,
        )
    )


def _of_gate(result: ReplayResult, effects: Float[np.ndarray, "p"]) -> Float[np.ndarray, "p"]:
    """The chance that every rule passes at once, as `promotion_power` announces it for one effect."""
    needed = required_effects(
        gate_rules(
            result.scores,
            result.challenger,
            result.champion,
            result.profile,
            (*result.comparisons, *result.slices),
        ),
        seed=result.profile.primary.seed,
    ).max(axis=1)
    # the share of resamples in which a smaller effect was enough
    return np.searchsorted(np.sort(needed), effects) / len(needed)


def _told_of_gate(result: ReplayResult) -> str:
    found = result.satisfiability.promotion
    if found is None:
        return ""
    hindered = f" ({found.hindrance})" if found.hindrance else ""
    return (
        f". The whole gate, guardrails and arms to beat included, would pass such a challenger with "
        f"{found.power:.0%}, and no difference, however large, lifts that above {found.ceiling:.0%}{hindered}"
    )


def _marked(primary: Comparison, rule: Primary) -> list[Mark]:
    """Named at the top; where two names would lie over each other, one goes to the foot."""
    found = [
        Mark(at=rule.effect_of_interest, name="effect of interest", color="soft"),
        Mark(at=primary.mde, name=f"detectable at {rule.power:.0%}", color="accent"),
    ]
    if primary.delta > 0:
        found.append(Mark(at=primary.delta, name="observed", color="ink", dash="solid", at_foot=True))
    return found
