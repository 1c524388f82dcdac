"""The power curve: which true differences this many users would have shown, and with what chance."""

from __future__ import annotations

import math

import numpy as np

from components.evaluation.comparison import Comparison
from components.evaluation.profile import Primary
from components.evaluation.report.curve import Line, curves
from components.evaluation.report.figure import Mark, figure
from components.evaluation.report.measures import name_of
from components.evaluation.report.text import number
from components.evaluation.statistics import power_at

_POINTS = 120


def power_curve(primary: Comparison | None, rule: Primary, *, alpha: float) -> str:
    """Power of a two-sided test at `alpha` against the true difference, for this replay's users and spread."""
    if primary is None or primary.n < 2 or not primary.sd > 0 or not math.isfinite(primary.mde):
        return '<p class="note">Without users whose differences spread there is no power to draw.</p>'
    reach = max(2 * primary.mde, 1.25 * rule.effect_of_interest, 1.1 * abs(primary.delta))
    effects = np.linspace(0, reach, _POINTS)
    power = np.array([power_at(effect, primary.sd, primary.n, alpha=alpha) for effect in effects])
    at_interest = power_at(rule.effect_of_interest, primary.sd, primary.n, alpha=alpha)
    told = (
        f"With {primary.n:,} users whose differences have a standard deviation of {number(primary.sd)}, a true "
        f"difference of {number(primary.mde)} would be found with {rule.power:.0%} probability, and the effect "
        f"of interest, {rule.effect_of_interest:g}, with {at_interest:.0%}"
    )
    return figure(
        curves(
            [Line(name="power", x=effects, y=power)],
            x={"title": {"text": f"true difference in {name_of(primary.metric)}"}, "range": [0, reach]},
            y={"title": {"text": "probability of finding it"}, "range": [0, 1.02], "tickformat": ".0%"},
            told=f"Power curve. {told}.",
            caption=f"Power of this replay's test (two-sided at {alpha:.3g}). {told}. Power explains a result "
            "that is not significant; it takes nothing from one that is.",
            marked=_marked(primary, rule),
            height=310,
        )
    )


def _marked(primary: Comparison, rule: Primary) -> list[Mark]:
    """Named at the top; where two names would lie over each other, one goes to the foot."""
    found = [
        Mark(at=rule.effect_of_interest, name="effect of interest", color="rival"),
        Mark(at=primary.mde, name=f"detectable at {rule.power:.0%}", color="accent"),
    ]
    if primary.delta > 0:
        found.append(Mark(at=primary.delta, name="observed", color="ink", dash="solid", at_foot=True))
    return found
