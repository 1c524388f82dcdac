"""The slice table: parts of the evidence, each with its users, its difference and its interval."""

from __future__ import annotations

from components.evaluation.comparison import Comparison
from components.evaluation.replay import ReplayResult
from components.evaluation.report.measures import name_of, slice_meaning, slice_name
from components.evaluation.report.table import Cell, Column, figure_of, table, word
from components.evaluation.report.text import span


def slice_table(result: ReplayResult) -> str:
    """Slices against the champion, or against the arms that must be beaten where there is none."""
    against = [result.champion] if result.champion else list(result.profile.must_beat)
    chosen = [c for c in result.slices if c.metric in result.profile.user_metrics and c.baseline in against]
    least = result.profile.validity.min_slice_users
    columns = [
        Column(name="Slice", is_number=False),
        Column(name="Metric", is_number=False),
        Column(name="Minus", meaning="the other arm", is_number=False),
        Column(name="Users", meaning="with something to be judged by"),
        Column(name="Difference", meaning="mean over these users"),
        Column(name="Interval", meaning="two-sided, bootstrap of users"),
        Column(name="Adjusted p", meaning="for all slices together (Benjamini–Hochberg)"),
    ]
    rows = [_row(c, least, result.adjusted_p.get(_key(c))) for c in chosen]
    if not rows:
        return '<p class="note">No slice was compared.</p>'
    return table(
        f"Parts of the evidence. A slice of fewer than {least:,} users is not evaluable, and never a pass. "
        "Slices explore: none of them promotes.",
        columns,
        rows,
    )


def _key(c: Comparison) -> str:
    return f"{c.metric} of {c.slice} against {c.baseline}"


def _row(c: Comparison, least: int, p: float | None) -> list[Cell]:
    cells = [
        word(slice_name(c.slice), slice_meaning(c.slice)),
        word(name_of(c.metric)),
        word(c.baseline),
        figure_of(c.n, ",d"),
    ]
    if c.n < least:
        told = f"not evaluable: fewer than {least} users"
        return [*cells, word(told, tone="not-evaluable"), word(""), word("")]
    tone = "passed" if c.lower > 0 else "failed" if c.upper < 0 else "unproven"
    return [
        *cells,
        figure_of(c.delta, "+.4f", tone=tone),
        word(span(c.lower, c.upper)),
        figure_of(p, ".3f") if p is not None else word(""),
    ]
