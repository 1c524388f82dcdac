"""The head of every page with a verdict: what was found, of what, why, and the figures that carried it."""

from __future__ import annotations

from collections.abc import Sequence

from components.report.templates import Markup, render


def head(
    *,
    tone: str,
    outcome: str,
    meaning: str,
    title: str,
    meta: str,
    reasons: Sequence[str],
    short_of: str = "",
    figures: Sequence[tuple[str, str, str]] = (),
) -> Markup:
    """`tone` colours it (PROMOTE, HOLD, passed, …), `short_of` names what it is not shown to beat.

    `figures` are name, value and meaning. All of it is text.
    """
    return render(
        "head", tone=tone, outcome=outcome, meaning=meaning, title=title, meta=meta, reasons=reasons,
        short_of=short_of, figures=figures,
    )  # fmt: skip
