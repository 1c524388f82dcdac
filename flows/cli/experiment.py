"""`recloop experiment`: what the live split of the scoring server tells, and its log as input of a replay."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.options import file_to_write, moment_option
from flows.cli.prepared import Prepared

if TYPE_CHECKING:
    from rich.table import Table

    from components.evaluation.live_test import LiveResult, VariantFigures
    from components.serving.live_test import LiveTest
    from flows.live_experiment import Outcomes

WITHIN_DAYS = 7.0
app = typer.Typer(
    help="Read the live test of the scoring server back: list, read, export.", no_args_is_help=True
)
_COLOURS = {"PROMOTE": "green", "CONTINUE": "yellow", "STOP": "red", "INVALID": "red"}

Salt = Annotated[str | None, typer.Option(help="of which split; default: that of the latest test")]
Challenger = Annotated[str | None, typer.Option(help="version that was tried; default: the latest")]
Champion = Annotated[str | None, typer.Option(help="version that it was tried against; default: the latest")]
WithinDays = Annotated[
    float, typer.Option(min=0.001, help="attribution window: an outcome counts so long after the first list")
]
EventType = Annotated[
    list[str] | None, typer.Option("--event-type", help="only such events are outcomes; may be repeated")
]
AsOf = Annotated[datetime | None, moment_option("the moment that counts as now; default: the clock's")]


class NotAnExport(Exception):
    """The file to write is of no kind that `recloop replay --logged` reads."""


@app.command("list", cls=Prepared)
def list_tests() -> None:
    """Show every live test that the log of exposures holds, oldest first."""
    from rich.markup import escape
    from rich.table import Table

    from flows.live_experiment import all_tests
    from flows.local.console import console

    table = Table(
        "salt", "challenger", "champion", "share", "users", "lists", "first", "last", box=None, pad_edge=False
    )
    for test in all_tests():
        users = test.num_users
        dealt = f"{users['challenger']:,} + {users['champion']:,}"
        share = f"{test.share:g}" if test.share else "shadow"
        at = (f"{moment:%Y-%m-%d %H:%M}Z" for moment in (test.begin, test.end))
        table.add_row(
            escape(test.salt), test.challenger, test.champion, share, dealt, f"{len(test.exposures):,}", *at
        )
    console.print(table)


@app.command(cls=Prepared)
def read(
    salt: Salt = None,
    challenger: Challenger = None,
    champion: Champion = None,
    within_days: WithinDays = WITHIN_DAYS,
    event_type: EventType = None,
    as_of: AsOf = None,
    profile: Annotated[
        Literal["small", "production"], typer.Option(help="how sure, from how many users on")
    ] = "small",
) -> None:
    """What the latest live test tells: users, outcome rates, the difference with an interval that holds at every look.

    Look as often as you like. It moves nothing; `recloop promote` does.
    """
    from flows.live_experiment import choose_test, outcomes_of, read_test, write_report
    from flows.local.console import console
    from flows.settings import load_settings

    now, within = as_of or datetime.now(UTC), timedelta(days=within_days)
    test = choose_test(salt, challenger, champion)
    outcomes = outcomes_of(test, within=within, event_types=tuple(event_type or ()))
    result = read_test(test, outcomes, within=within, as_of=now, profile=profile)
    report = write_report(test, result, _facts(test, outcomes, within, now))
    console.print(
        f"live test {test.salt}: version {test.challenger} for {test.share:.0%} of the users, against version "
        f"{test.champion}",
        style="bold", markup=False,
    )  # fmt: skip
    console.print(
        f"shown {test.begin:%Y-%m-%d %H:%M}Z to {test.end:%Y-%m-%d %H:%M}Z, read as of {now:%Y-%m-%d %H:%M}Z\n"
        f"outcome: {_outcome(event_type)} on an item of a list, within {within_days:g} days of the user's first; "
        f"{len(outcomes.events):,} events, {outcomes.num_posted:,} of them not ingested yet\n",
        markup=False,
    )
    console.print(_variants(test, result))
    console.print()
    for line in _evidence(result):
        console.print(line, markup=False)
    console.print(f"\n[bold {_COLOURS[result.call]}]{result.call}[/]")
    for reason in result.reasons:
        console.print(f"· {reason.code}: {reason.text}", markup=False)
    if result.call == "PROMOTE":
        console.print(
            f'next    recloop promote --version {test.challenger} --reason "live test {test.salt}"',
            markup=False,
        )
    console.print(f"report  {os.path.relpath(report)}  ({load_settings().page_url(report)})", markup=False)


@app.command(cls=Prepared)
def export(
    to: Annotated[
        Path,
        typer.Option("--to", help="CSV or parquet file to write", parser=file_to_write, metavar="FILE"),
    ],
    salt: Salt = None,
    challenger: Challenger = None,
    champion: Champion = None,
    within_days: WithinDays = WITHIN_DAYS,
    event_type: EventType = None,
    as_of: AsOf = None,
) -> None:
    """Write the shown lists with propensities and outcomes as `recloop replay --logged` reads them."""
    from flows.live_experiment import choose_test, export_test, outcomes_of
    from flows.local.console import console

    if to.suffix not in {".csv", ".parquet"}:
        raise NotAnExport(
            f"{to}: name a file that ends in .csv or .parquet; `recloop replay --logged` reads these."
        )
    now, within = as_of or datetime.now(UTC), timedelta(days=within_days)
    test = choose_test(salt, challenger, champion)
    outcomes = outcomes_of(test, within=within, event_types=tuple(event_type or ()))
    rows, left_out = export_test(test, outcomes, to, within=within, as_of=now)
    waiting = f"; {left_out:,} lists left out, whose {within_days:g} days are not over" if left_out else ""
    console.print(f"{rows:,} rows of {len(test.exposures) - left_out:,} lists to {to}{waiting}", markup=False)
    console.print(f"judge the challenger from it: recloop replay --logged {to}", markup=False)


def _outcome(event_types: list[str] | None) -> str:
    return f"an event of type {' or '.join(event_types)}" if event_types else "an event"


def _variants(test: LiveTest, result: LiveResult) -> Table:
    from rich.table import Table

    table = Table(
        "variant",
        "version",
        "users",
        "settled",
        "lists",
        "outcome rate",
        "lists with one",
        box=None,
        pad_edge=False,
    )
    rows: list[tuple[str, str, VariantFigures]] = [
        ("champion", test.champion, result.champion), ("challenger", test.challenger, result.challenger),
    ]  # fmt: skip
    for name, version, found in rows:
        table.add_row(
            name, version, f"{found.users:,}", f"{found.settled:,}", f"{found.lists:,}", f"{found.outcome_rate:.4f}",
            f"{found.list_rate:.4f}",
        )  # fmt: skip
    return table


def _evidence(result: LiveResult) -> list[str]:
    ratio, path, once = result.sample_ratio, result.path, result.unpaired
    lines = [
        f"split       {result.champion.users:,} : {result.challenger.users:,} users, "
        f"{1 - result.share:.0%} : {result.share:.0%} was asked for, chi-square {ratio.chi2:.2f}, p = {ratio.p:.3g}"
    ]
    if path is not None:
        lines.append(
            f"difference  {path.mean[-1]:+.4f} [{path.lower[-1]:+.4f}, {path.upper[-1]:+.4f}] in outcome rate, "
            f"{1 - path.alpha:.0%}, at every look ({path.method.replace('_', ' ')})"
        )
    if once is not None:
        lines.append(
            f"            {once.difference:+.4f} by Welch, standard error {once.se:.4f}, p = {once.p:.3g}: for one "
            "look at a planned end, and not what decides"
        )
    return lines


def _facts(
    test: LiveTest, outcomes: Outcomes, within: timedelta, now: datetime
) -> list[tuple[str, str, str]]:
    return [
        ("Salt", test.salt, "of the hash that deals users"),
        ("First list", test.begin.isoformat(), ""),
        ("Last list", test.end.isoformat(), ""),
        ("Read as of", now.isoformat(), "users whose time is not over by then are not counted yet"),
        ("Attribution window", f"{within / timedelta(days=1):g} days", "from the user's first list on"),
        (
            "Events",
            f"{len(outcomes.events):,}",
            f"{outcomes.num_posted:,} of them posted and not ingested yet",
        ),
    ]
