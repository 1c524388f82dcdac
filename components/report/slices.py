"""The slice table: parts of the evidence, each with its users, its difference and its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from components.evaluation.comparison import Comparison
from components.evaluation.result import ReplayResult
from components.measures import name_of, slice_meaning, slice_name
from components.report.table import Cell, Column, figure_of, table, word
from components.report.templates import Markup, joined, note
from components.report.text import clean, level, p_value, span


def slice_table(result: ReplayResult) -> Markup:
    """Slices against the champion, or against the arms that must be beaten where there is none."""
    against = [result.champion] if result.champion else list(result.profile.must_beat)
    metrics = result.profile.user_metrics
    chosen = [c for c in result.slices if c.metric in metrics and c.baseline in against]
    if not chosen:
        return note("No slice was compared.")
    least = result.profile.validity.min_slice_users
    columns = [
        Column(name="Slice", is_number=False),
        Column(name="Metric", is_number=False),
        Column(name="Users", meaning="who can be judged in it"),
        Column(name="Difference", meaning="mean over these users"),
        Column(name="Interval", meaning=f"two-sided, {level(result.alpha_one_sided)}"),
        Column(name="Adjusted p", meaning="over all slices (Benjamini–Hochberg)"),
    ]
    parts = [
        table(
            f"Parts of the evidence, {result.challenger} minus {baseline}. A slice of fewer than {least:,} users "
            "is not evaluable, and never a pass. Slices explore: none of them promotes.",
            columns,
            list(_rows([c for c in chosen if c.baseline == baseline], least, result.adjusted_p)),
        )
        for baseline in dict.fromkeys(c.baseline for c in chosen)
    ]
    return joined(parts)


def _rows(
    compared: Sequence[Comparison], least: int, adjusted_p: Mapping[str, float]
) -> Iterator[Sequence[Cell]]:
    for name, members in groupby(compared, key=lambda c: c.slice):
        mine = list(members)
        heading = Cell(content=clean(slice_name(name)), note=clean(slice_meaning(name)), num_rows=len(mine))
        for n, c in enumerate(mine):
            p = adjusted_p.get(f"{c.metric} of {c.slice} against {c.baseline}")
            yield [*([] if n else [heading]), word(name_of(c.metric)), *_figures(c, least, p)]


def _figures(c: Comparison, least: int, p: float | None) -> list[Cell]:
    if c.n < least:
        told = word("not evaluable", tone="not-evaluable")
        few = word(f"fewer than {least:,} users", tone="not-evaluable")
        return [figure_of(c.n, ",d"), told, few, word("")]
    tone = "passed" if c.lower > 0 else "failed" if c.upper < 0 else "unproven"
    return [
        figure_of(c.n, ",d"),
        figure_of(c.delta, "+.4f", tone=tone),
        word(span(c.lower, c.upper)),
        word("" if p is None else p_value(p)),
    ]
