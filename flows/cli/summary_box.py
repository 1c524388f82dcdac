"""The box at the end of a cycle: verdict and why, arms with intervals, costs, where to look."""

from __future__ import annotations

import os

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from flows.cli.arms_table import COLOURS, arms_table
from flows.summary import CycleSummary


def summary_box(title: str, summary: CycleSummary) -> Panel:
    """Everything a person needs to know of one cycle, on one screen."""
    colour = COLOURS[summary.verdict]
    parts: list[RenderableType] = [
        Text.assemble((summary.verdict, f"bold {colour}"), f"  {_champion_line(summary)}"),
        *(Text(f"· {reason}") for reason in summary.reasons),
        Text(),
        _data_line(summary),
        Text(),
        arms_table(summary.arms),
        Text(),
        _stages_table(summary),
        Text(),
        *(Text(f"{what:<16} {_short(where)}", overflow="fold") for what, where in summary.addresses.items()),
    ]
    return Panel(Group(*parts), title=title, title_align="left", border_style=colour, padding=(1, 2))


def _short(where: str) -> str:
    """A path as seen from here, a URL as it is."""
    return where if "://" in where else os.path.relpath(where)


def _champion_line(summary: CycleSummary) -> str:
    before, after = summary.champion_before, summary.champion_after
    if before == after:
        kept = f"version {before} stays champion" if before else "there is no champion yet"
        return f"version {summary.version} was evaluated; {kept}"
    replaced = f" in place of version {before}" if before else ", the first champion"
    return f"version {after} is champion{replaced}"


def _data_line(summary: CycleSummary) -> Text:
    quarantine = f"{summary.quarantined} quarantined"
    if summary.quarantine_reasons:
        named = (f"{reason} {count}" for reason, count in summary.quarantine_reasons.items())
        quarantine += f" ({', '.join(named)})"
    tokenizer = f"tokenizer {summary.tokenizer_note}\n" if summary.tokenizer_note else ""
    ids = "semantic IDs reused" if summary.tokenizer_reused else "tokenizer fitted"
    return Text(
        f"batch     {summary.received:,} events received = {summary.accepted:,} accepted + {quarantine} "
        f"+ {summary.duplicates} duplicates\n"
        f"training  {summary.train_events:,} events before {summary.train_cutoff[:16]}Z; {ids}, "
        f"{summary.new_ids} new\n"
        f"IDs       {summary.ids_note}\n"
        f"{tokenizer}"
        f"replay    {summary.window_users:,} users, {summary.window_requests:,} lists, "
        f"{summary.train_cutoff[:16]}Z to {summary.as_of[:16]}Z"
    )


def _stages_table(summary: CycleSummary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    table.add_column("peak MB", justify="right")
    for stage in summary.stages:
        seconds = "reused" if stage.reused else f"{stage.seconds:.1f}"
        table.add_row(stage.stage, seconds, f"{stage.peak_mb:,.0f}")
    peak = max((stage.peak_mb for stage in summary.stages), default=0.0)
    table.add_section()
    table.add_row("cycle", f"{summary.seconds:.1f}", f"{peak:,.0f}")
    table.add_row("of it, in engines", f"{summary.engine_seconds:.1f}", "", style="dim")
    return table
