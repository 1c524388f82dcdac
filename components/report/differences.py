"""Challenger minus every other arm: the forest plot with margins, and how the differences lie over users."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from components.evaluation.comparison import Comparison
from components.evaluation.gate import NonInferiority
from components.evaluation.result import ReplayResult
from components.evaluation.statistics import TIE
from components.measures import name_of
from components.report.figure import Mark, Plot, figure
from components.report.forest import ForestRow, forest
from components.report.histogram import histogram
from components.report.templates import Markup, joined, note
from components.report.text import level, number, share, told_level

_BINS_A_SIDE = 20


def forest_of(result: ReplayResult, primary: Comparison | None) -> Markup:
    """One row a metric and baseline, with the margins of guardrails against the champion.

    The arm that decides has a figure and a scale of its own: beside an arm that is far behind, a difference as
    small as those that decide would be a dot on the line.
    """
    drawn = [c for c in result.comparisons if c.is_finite]
    if not drawn:
        return note("Nothing could be compared.")
    own = [c for c in drawn if primary and c.baseline == primary.baseline]
    return joined(_forest(result, part) for part in (own, [c for c in drawn if c not in own]) if part)


def _forest(result: ReplayResult, drawn: Sequence[Comparison]) -> Markup:
    margins = {
        guard.metric: -guard.margin
        for guard in result.profile.required
        if isinstance(guard, NonInferiority) and result.champion
    }
    rows = [
        ForestRow(
            name=name_of(c.metric),
            group=f"minus {c.baseline}",
            count=f"{c.n:,} users",
            value=c.delta,
            lower=c.lower,
            upper=c.upper,
            tone="passed" if c.lower > 0 else "failed" if c.upper < 0 else "unproven",
            margin=margins.get(c.metric) if c.baseline == result.champion else None,
        )
        for c in drawn
    ]
    told = (
        f"{result.challenger} minus {', '.join(dict.fromkeys(c.baseline for c in drawn))}: mean paired difference "
        f"over users with its {level(result.alpha_one_sided)} interval. Right of the line the challenger is better; "
        f"green intervals lie above 0, red below, ochre hold it.{told_level(result.alpha_one_sided)}"
    )
    if any(row.margin is not None for row in rows):
        told += " A red stroke is a guardrail's margin: the whole interval must lie right of it."
    return figure(forest(rows, axis="difference, in the metric's own units", caption=told))


def spread_of(result: ReplayResult, primary: Comparison | None) -> Markup:
    """The histogram of users' differences on the primary metric."""
    if primary is None or not primary.n:
        return Markup("")
    values = result.scores.of(primary.challenger, primary.metric)
    differences = values - result.scores.of(primary.baseline, primary.metric)
    return figure(_histogram(differences[~np.isnan(differences)], primary))


def _histogram(differences: Float[np.ndarray, "U"], primary: Comparison) -> Plot:
    zero = np.abs(differences) <= TIE
    moved = differences[~zero]
    # even to both sides, so that the eye can weigh them; the many zeros would dwarf every bar
    reach = float(np.abs(moved).max()) if len(moved) else 1.0
    edges = np.linspace(-reach, reach, 2 * _BINS_A_SIDE + 1)
    counts, _ = np.histogram(moved, edges)
    better, worse = float((moved > 0).sum()), float((moved < 0).sum())
    n, metric = len(differences), name_of(primary.metric)
    shares = (
        f"{share(zero.mean())} of users see no difference at all and stand in no bar; "
        f"{share(better / n)} do better with {primary.challenger}, {share(worse / n)} worse"
    )
    return histogram(
        counts,
        edges,
        colors=["bad"] * _BINS_A_SIDE + ["good"] * _BINS_A_SIDE,
        axis=f"{metric} of a user, {primary.challenger} minus {primary.baseline}",
        counted="users",
        told=f"Histogram of {n:,} users' differences in {metric}: {shares}.",
        caption=f"Differences of single users in {metric}, {primary.challenger} minus {primary.baseline}: "
        f"{shares}. The line is the mean over all {n:,} users.",
        layout={"xaxis": {"range": [-1.02 * reach, 1.02 * reach]}},
        marked=[
            Mark(at=primary.delta, name=f"mean {number(primary.delta, '+.4f')}", color="ink", dash="solid")
        ],
    )
