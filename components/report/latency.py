"""How long the arms took to answer."""

from __future__ import annotations

from components.evaluation.result import ReplayResult
from components.report.table import Column, figure_of, table, word
from components.report.templates import Markup, render


def latency_table(result: ReplayResult) -> Markup:
    """Quantiles a batch, and what the gate makes of them."""
    rows = [
        [
            word(arm),
            *(figure_of(value, ".2f") for value in (found.p50, found.p95, found.p99)),
            figure_of(found.batch_size, ",d"),
            figure_of(found.batches, ",d"),
        ]
        for arm, found in sorted((result.latency or {}).items())
    ]
    columns = [
        Column(name="Arm", is_number=False),
        Column(name="p50, ms", meaning="half of the batches took at most this long"),
        Column(name="p95, ms", meaning="all but one in twenty"),
        Column(name="p99, ms", meaning="all but one in a hundred"),
        Column(name="Batch size", meaning="users asked for at once"),
        Column(name="Batches", meaning="timed, after those of the warm-up"),
    ]
    told = render("paragraph", text=f"{result.latency_check.reason}.") if result.latency_check else Markup("")
    return told + table(
        "Milliseconds to answer a batch, arms asked in turn on one machine. Measured by a clock: beside the "
        "verdict's reproducible part, not in it.",
        columns,
        rows,
    )
