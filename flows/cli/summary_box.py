"""The end of a cycle on one screen: verdict and why, data, arms and cost in a box, and below it where to look.

Stages have said themselves as they went. Addresses stand below the box, each on a line that is not broken, so that
they copy whole.
"""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from flows.cli.arms_table import COLOURS, arms_table
from flows.summary import CycleSummary

_REASONS = 3  # that are shown; the report and `recloop verdict` hold them all
_TOKENIZERS = ("refitted", "fitted as", "kept as")  # notes on one that is new, or not the default
_ADDRESSES = ("replay report", "Data Docs", "Prefect run", "MLflow run", "MLflow version")  # in this order


def say_cycle(title: str, summary: CycleSummary) -> None:
    """Print what a person needs to know of one cycle: a box within 80 columns and 20 lines, then the addresses."""
    from flows.local.console import console

    console.print(summary_box(title, summary))
    say_addresses(summary.addresses)


def summary_box(title: str, summary: CycleSummary) -> Panel:
    """Verdict, reasons, data, arms and cost of one cycle."""
    colour = COLOURS[summary.verdict]
    parts: list[RenderableType] = [
        Text.assemble((summary.verdict, f"bold {colour}"), f"  {_champion_line(summary)}"),
        *(_one_line(f"· {reason}") for reason in _shown(summary)),
        *(_one_line(f"beside    {one.told}") for one in summary.beside),
        *(_one_line(line) for line in _data_lines(summary)),
        arms_table(summary.arms),
    ]
    return Panel(Group(*parts), title=title, title_align="left", border_style=colour, padding=(0, 1))


def say_addresses(addresses: dict[str, str]) -> None:
    """Where to look, a line each: files as they are seen from here, and what only answers while servers run."""
    from flows.local.console import console, whole_line

    told = {what: where for what in (*_ADDRESSES, *addresses) if (where := addresses.get(what))}
    served = {what: where for what, where in told.items() if "://" in where}
    files = {what: where for what, where in told.items() if what not in served}
    for what, where in files.items():
        whole_line(f"{what:<15}{_short(where)}")
    if served:
        console.print("these open while `recloop ui` runs:", style="dim", markup=False)
    for what, where in served.items():
        whole_line(f"{what:<15}{where}")


def _one_line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _short(where: str) -> str:
    """A path as seen from here if it lies below, else whole."""
    path, here = Path(os.path.abspath(where)), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _shown(summary: CycleSummary) -> list[str]:
    """What decided first: of a promotion what was found against the champion; and how many reasons there are more."""
    against = [text for text in summary.reasons if text.startswith("better than champion")]
    first = against if summary.verdict == "PROMOTE" else []
    ordered = [*first, *(text for text in summary.reasons if text not in first)]
    more = len(ordered) - _REASONS
    told = f"{more} more: `recloop verdict`, and the report"
    return ordered if more <= 0 else [*ordered[:_REASONS], told]


def _champion_line(summary: CycleSummary) -> str:
    before, after = summary.champion_before, summary.champion_after
    if before == after:
        kept = f"version {before} stays champion" if before else "there is no champion yet"
        return f"version {summary.version} was evaluated; {kept}"
    replaced = f" in place of version {before}" if before else ", the first champion"
    return f"version {after} is champion{replaced}"


def _data_lines(summary: CycleSummary) -> list[str]:
    quarantine = f"{summary.quarantined} quarantined"
    if summary.quarantine_reasons:
        most = sorted(summary.quarantine_reasons.items(), key=lambda told: (-told[1], told[0]))
        named = (f"{reason} {count}" for reason, count in most)
        quarantine += f" ({', '.join(named)})"
    ids = "IDs reused" if summary.tokenizer_reused else "tokenizer fitted"
    told = summary.tokenizer_note if summary.tokenizer_note.startswith(_TOKENIZERS) else ""
    lines = [
        f"batch     {summary.received:,} events = {summary.accepted:,} accepted + {summary.duplicates} duplicates + "
        f"{quarantine}",
        f"training  {summary.train_events:,} events before {summary.train_cutoff[:16]}Z; {ids}, {summary.new_ids} new",
        f"tokenizer {told}",
        *([f"start     {summary.start_note}"] if summary.start_note else []),
        f"replay    {summary.window_users:,} users, {summary.window_requests:,} lists, until {summary.as_of[:16]}Z",
        *(f"{name:<10}{line}" for name, line in zip(("new items", ""), summary.new_items_note, strict=False)),
        f"cost      {_cost(summary)}",
    ]
    return [line for line in lines if told or not line.startswith("tokenizer")]


def _cost(summary: CycleSummary) -> str:
    if summary.stages and all(stage.reused for stage in summary.stages):
        return f"none: all {len(summary.stages)} stages are reused"
    peak = max((stage.peak_mb for stage in summary.stages), default=0.0)
    return f"{summary.seconds:.1f} s, {summary.engine_seconds:.1f} of them in engines; peak {peak:,.0f} MB"
