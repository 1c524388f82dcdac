"""`recloop monitor`: whether what arrives still is what the champion was trained on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Json, moment_option

if TYPE_CHECKING:
    from rich.table import Table

    from flows.monitoring import Monitored

DRIFTS = 3  # exit code; 1 is a failure, 2 a command line that cannot be parsed


def monitor(
    since: Annotated[
        datetime | None,
        moment_option("first moment that is looked at; default: where the latest batch begins"),
    ] = None,
    as_of: Annotated[
        datetime | None, moment_option("the moment that counts as now; default: after the last event")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the latest events with the champion's training; exit code 3 says that something drifts."""
    from flows.cli.registry import registry
    from flows.local.console import dimmed, leave_stdout, say_json
    from flows.local.servers import running_servers
    from flows.settings import load_settings

    if as_json:
        leave_stdout()
    with registry() as model_name:  # without a champion no server is started
        from components.registry import versions

        versions.require_champion(model_name)
    with running_servers(load_settings(), dimmed, loading="flows.monitoring"):
        from flows.monitoring import monitor as watch

        found = watch(since, as_of)
    if as_json:
        say_json(found.result.to_dict() | {"page": found.page, "event": found.event})
    else:
        _tell(found)
    if found.result.status == "drift":
        raise typer.Exit(DRIFTS)


def _tell(found: Monitored) -> None:
    from components.monitoring.result import RETRAIN
    from flows.local.console import console

    result = found.result
    console.print(
        f"\n[bold]{result.status}[/bold]  version {result.version}, trained before {result.train_end:%Y-%m-%d %H:%M}Z, "
        f"on {result.num_events:,} events since {result.since:%Y-%m-%d %H:%M}Z"
    )
    console.print(_measures(found))
    for note in result.notes:
        console.print(f"· {note}", markup=False)
    console.print(f"page  {found.page}", markup=False)
    if result.status == "drift":
        names = ", ".join(measure.name for measure in result.of("drift"))
        console.print(f"drift: {names}. Next: `{RETRAIN} --source …` with what arrived", markup=False)


def _measures(found: Monitored) -> Table:
    from rich.markup import escape
    from rich.table import Table

    colours = {"ok": "green", "warn": "yellow", "drift": "red", "not evaluable": "dim"}
    table = Table("measure", "status", "value", "why", box=None, pad_edge=False)
    for measure in found.result.measures:
        value = "" if measure.value is None else f"{measure.value:.3g}"
        status = f"[{colours[measure.status]}]{measure.status}[/]"
        table.add_row(measure.name, status, value, escape(measure.reason))
    return table
