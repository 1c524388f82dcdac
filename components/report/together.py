"""The challengers of one cycle side by side: how the gate judged each, and which one goes on."""

from __future__ import annotations

from collections.abc import Sequence

from components.evaluation.several import OneOfSeveral
from components.evaluation.verdict import Outcome
from components.report.table import Cell, Column, figure_of, table, word
from components.report.templates import Markup, note
from components.report.text import sentence, span


def together_table(together: Sequence[OneOfSeveral], lead: str, metric: str) -> Markup:
    """A row a challenger, the one that goes on first; `metric` is the primary one by its name."""
    rows = [
        [
            word(one.challenger, "goes on" if one.challenger == lead else ""),
            word(one.outcome),
            figure_of(one.delta, "+.4f", note=span(one.lower, one.upper)),
            figure_of(one.alpha_one_sided, ".3g"),
            Cell(content=sentence(one.reason)),
        ]
        for one in sorted(together, key=lambda one: one.challenger != lead)
    ]
    against = together[0].against
    columns = [
        Column(name="Challenger", is_number=False),
        Column(name="Verdict", is_number=False),
        Column(name=f"{metric}, minus {against}", meaning="paired by user, at its alpha"),
        Column(name="Alpha", meaning="one-sided, by Holm"),
        Column(name="Its first reason", is_number=False),
    ]
    return table("The challengers of this cycle.", columns, rows) + note(_rule(together, lead))


def _rule(together: Sequence[OneOfSeveral], lead: str) -> str:
    trying = sum(one.alpha_one_sided is not None for one in together)
    shared = (
        f"The {trying} challengers are one attempt on this window and share its alpha by Holm's step-down: who "
        "passes leaves its part to those who did not. "
    )
    if not any(one.outcome is Outcome.PROMOTE for one in together):
        return (
            f"{shared}None passed. The rest of this page is about {lead}, which has the largest difference among those "
            "with the best outcome; all are registered with their verdicts."
        )
    return (
        f"{shared}Of those that passed, the one with the largest difference goes on, {lead}, and the rest of this page "
        "is about it; the others are registered with their verdicts and can be promoted by hand."
    )
