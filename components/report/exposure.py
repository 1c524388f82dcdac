"""Who is shown: Lorenz curves of the lists' places over the candidates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from components.evaluation.plan import ReplayPlan
from components.evaluation.result import ReplayResult
from components.report.curve import Line, curves
from components.report.figure import figure
from components.report.templates import Markup, note
from components.report.text import number, share

_POINTS = 240
_DASHES = ("dot", "dash", "dashdot", "longdash")


def lorenz(counts: Int[np.ndarray, "I"]) -> tuple[Float[np.ndarray, "p"], Float[np.ndarray, "p"]]:
    """Share of the items (rarest first) and the share of the places that they hold; (0, 0) to (1, 1).

    Of many items the curve keeps some points, ever denser towards its steep end. NaN if nothing was shown.
    """
    rising = np.concatenate([[0], np.sort(counts)]).cumsum(dtype=float)
    n = len(counts)
    # a cube packs the points towards the popular end, where the curve turns
    kept = np.unique((n * (1 - np.linspace(1, 0, _POINTS) ** 3)).round().astype(int))
    with np.errstate(invalid="ignore"):
        return kept / max(n, 1), rising[kept] / rising[-1]


def lorenz_of(result: ReplayResult, plan: ReplayPlan, tops: Mapping[str, Int[np.ndarray, "R k"]]) -> Markup:
    """The curve of every arm in `tops` (canonical lists), and of the train events themselves."""
    candidates = plan.candidates
    if not candidates.any() or not len(plan):
        return note("Nothing was shown.")
    lines = []
    beside = 0
    for arm in sorted(tops, key=lambda arm: (arm != result.challenger, arm != result.champion, arm)):
        top = tops[arm]
        counts = np.bincount(top[top >= 0], minlength=len(candidates))[candidates]
        x, y = lorenz(counts)
        if arm == result.challenger:
            color, dash, width = (
                "accent",
                "solid",
                4.5,
            )  # wider than the rival drawn upon it: both can be seen
        elif arm == result.champion:
            color, dash, width = "rival", "solid", 1.8
        else:
            color, dash, width = "soft", _DASHES[beside % len(_DASHES)], 1.4
            beside += 1
        lines.append(Line(name=arm, x=x, y=y, color=color, dash=dash, width=width))
    x, y = lorenz(plan.item_train_events[candidates])
    lines.append(Line(name="train events", x=x, y=y, color="ink", width=1))
    lines.append(
        Line(
            name="even", x=np.array([0.0, 1.0]), y=np.array([0.0, 1.0]), color="rule", width=1, is_named=False
        )
    )
    figures = "; ".join(
        f"{arm} covers {share(result.list_figures[arm]['coverage@10'])}, "
        f"Gini {number(result.list_figures[arm]['gini@10'], '.2f')}"
        for arm in (result.challenger, result.champion)
        if arm and arm in result.list_figures
    )
    caption = (
        f"Share of all top-ten places held by the least shown part of the {int(candidates.sum()):,} candidates. "
        "On the thin diagonal every item would be shown alike; the lower a curve, the fewer items hold the "
        f"places. Train events show how users spread their own attention. {figures}."
    )
    return figure(
        curves(
            lines,
            x={
                "title": {"text": "share of candidates, least shown first"},
                "range": [0, 1],
                "tickformat": ".0%",
            },
            y={"title": {"text": "share of places"}, "range": [0, 1.01], "tickformat": ".0%"},
            told=f"Lorenz curves of the places over the candidates. {figures}.",
            caption=caption,
            height=360,
        )
    )
