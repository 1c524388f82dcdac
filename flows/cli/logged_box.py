"""The box at the end of a counterfactual replay: verdict and why, estimators, diagnostics, where to look."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from components.evaluation.counterfactual.estimate import Estimate
from components.evaluation.counterfactual.evidence import LoggedEvidence
from components.evaluation.counterfactual.verdict import Check
from flows.cli.arms_table import COLOURS
from flows.cli.summary_box import say_addresses

_MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "unproven": ("?", "yellow")}


def say_log(source: str, evidence: LoggedEvidence, report: Path, mlflow: str = "") -> None:
    """Print what a person needs to know of one log, and below it where to look."""
    from flows.local.console import console

    console.print(logged_box(source, evidence))
    say_addresses({"report": str(report)} | ({"MLflow run": mlflow} if mlflow else {}))


def logged_box(source: str, evidence: LoggedEvidence) -> Panel:
    """Everything that was found of one log."""
    verdict, support = evidence.verdict, evidence.support
    outcome = verdict.outcome
    colour = COLOURS[outcome]
    about = f"{evidence.target_policy} judged from the log of {evidence.logging_policy}"
    slates: list[RenderableType] = []
    level = f"{100 * (1 - 2 * evidence.profile.alpha_one_sided):g} %"
    if evidence.slates:
        slates = [Text("whole slates"), _estimates(evidence.slates, level, "")]
    return Panel(
        Group(
            Text.assemble((outcome, f"bold {colour}"), f"  {about}"),
            *(Text(f"· {reason}") for reason in verdict.reasons),
            Text(),
            Text(
                f"log  {support.rounds:,} rounds in {support.clusters:,} clusters, {support.rewarded:,} "
                f"rewarded; {evidence.logged_mean:.5g} a round "
                f"[{_figure(evidence.logged_lower)}, {_figure(evidence.logged_upper)}]"
            ),
            _estimates(evidence.estimates, level, evidence.profile.estimator),
            *slates,
            _checks(verdict.checks),
        ),
        title=source,
        title_align="left",
        border_style=colour,
        padding=(1, 2),
    )


def _estimates(estimates: Iterable[Estimate], level: str, deciding: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("estimator")
    table.add_column("value", justify="right")
    table.add_column(f"{level} interval", justify="right", style="dim")
    table.add_column("minus the log", justify="right")
    table.add_column("", style="dim")
    for e in estimates:
        told = "decides" if e.name == deciding else e.note
        if e.threshold is not None:
            told = f"threshold {e.threshold:,.4g}"
        table.add_row(
            e.name,
            _figure(e.value),
            _span(e.lower, e.upper),
            f"{_figure(e.delta, '+.4f')} {_span(e.delta_lower, e.delta_upper, '+.4f')}",
            told,
        )
    return table


def _checks(checks: Iterable[Check]) -> Table:
    table = Table.grid(padding=(0, 2))
    for check in checks:
        mark, colour = _MARKS[check.result]
        table.add_row(Text(mark, style=colour), check.name, Text(check.reason, style="dim"))
    return table


def _figure(value: float | None, form: str = ".5f") -> str:
    return "–" if value is None else format(value, form)


def _span(lower: float | None, upper: float | None, form: str = ".5f") -> str:
    return "" if lower is None or upper is None else f"[{lower:{form}}, {upper:{form}}]"
