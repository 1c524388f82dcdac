"""`recloop quarantine`: the rows that contracts refused, as a queue."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.options import file_to_write, moment_option
from flows.cli.prepared import Prepared

if TYPE_CHECKING:
    from components.data.quarantine import QuarantinedRow

app = typer.Typer(help="See, export, release or drop the rows that contracts refused.", no_args_is_help=True)

Code = Annotated[str | None, typer.Option("--code", help="only rows with this reason code")]
BatchId = Annotated[int | None, typer.Option("--batch", help="only rows of this batch")]
Kind = Annotated[Literal["event", "item"] | None, typer.Option(help="only events, or only items")]
State = Annotated[Literal["open", "released", "dropped", "all"], typer.Option(help="what became of the rows")]
Ids = Annotated[list[int] | None, typer.Option("--id", help="a row by its id; may be repeated")]


class NothingChosen(Exception):
    """A command on rows that names none; the message says how to."""


@app.command("list", cls=Prepared)
def list_rows(
    code: Code = None,
    batch: BatchId = None,
    kind: Kind = None,
    state: State = "open",
    limit: Annotated[int, typer.Option(min=1, help="show at most so many, oldest first")] = 50,
) -> None:
    """Show rows with their ids, reasons and values, oldest first."""
    from rich.markup import escape
    from rich.table import Table

    from flows.local.console import console

    rows = _rows(code, batch, kind, state)
    table = Table("id", "batch", "kind", "row", "state", "reasons", "values", box=None, pad_edge=False)
    for row in rows[:limit]:
        values = ", ".join(f"{name}={value}" for name, value in row.payload.items() if value is not None)
        told = (
            row.id,
            row.batch_id,
            row.kind,
            row.source_row,
            row.told_state,
            " ".join(row.reasons),
            values[:120],
        )
        table.add_row(*(escape("" if value is None else str(value)) for value in told))
    console.print(table)
    console.print(f"{len(rows):,} rows{f', {limit:,} shown' if len(rows) > limit else ''}")


@app.command(cls=Prepared)
def export(
    file: Annotated[
        Path, typer.Argument(help="a .csv or .jsonl file to write", parser=file_to_write, metavar="FILE")
    ],
    code: Code = None,
    batch: BatchId = None,
    kind: Kind = None,
    state: State = "open",
) -> None:
    """Write rows to a file, to be repaired and released. No cell of the CSV is a formula."""
    from components.data.quarantine import export_quarantine
    from flows.local.console import console

    rows = _rows(code, batch, kind, state)
    count = export_quarantine(rows, file, format="jsonl" if file.suffix == ".jsonl" else "csv")
    console.print(f"{count:,} rows in {file}", markup=False)


@app.command(cls=Prepared)
def release(
    file: Annotated[
        Path | None, typer.Argument(help="a repaired file; its quarantine_id names the rows")
    ] = None,
    id: Ids = None,
    code: Code = None,
    as_of: Annotated[
        datetime | None, moment_option("now, for these rows; default: that of the latest batch")
    ] = None,
) -> None:
    """Check rows again and land those that are sound now: repaired, or as they are."""
    from components.data.contracts.batch_check import ContractConfig
    from components.data.contracts.ranges import read_value_ranges
    from components.data.quarantine import read_repaired
    from components.data.quarantine_release import release_quarantined
    from flows.local.console import console
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    repaired = read_repaired(file) if file else {}
    ids = [*repaired, *_chosen(id, code, needed=file is None)]
    settings = load_settings()
    found = release_quarantined(
        warehouse(),
        ids,
        gx_root=settings.gx_root,
        repaired=repaired,
        as_of=as_of,
        config=ContractConfig(value_ranges=read_value_ranges(settings.value_ranges)),
    )
    console.print(
        f"{len(found.released):,} released, {len(found.before):,} had been before, {len(found.still_bad):,} stay"
    )
    for quarantine_id, reasons in found.still_bad.items():
        console.print(f"  {quarantine_id:>6}  {reasons}", markup=False)
    if found.batch:
        console.print(
            f"batch {found.batch.batch_id}: {found.batch.accepted:,} events accepted, "
            f"{found.batch.duplicates:,} duplicates; {found.batch.items_new:,} new items, "
            f"{found.batch.items_updated:,} updated"
        )


@app.command(cls=Prepared)
def drop(
    reason: Annotated[str, typer.Option(help="why; kept with the rows")],
    id: Ids = None,
    code: Code = None,
) -> None:
    """Take rows out of the queue for good."""
    from components.data.quarantine import drop_quarantined
    from flows.local.console import console
    from flows.warehouse import warehouse

    count = drop_quarantined(warehouse(), _chosen(id, code, needed=True), reason=reason)
    console.print(f"{count:,} rows dropped")


def _rows(code: str | None, batch: int | None, kind: Kind, state: State) -> list[QuarantinedRow]:
    from components.data.quarantine import list_quarantine
    from flows.warehouse import warehouse

    return list_quarantine(
        warehouse(), reason=code, batch_id=batch, kind=kind, state=None if state == "all" else state
    )


def _chosen(ids: list[int] | None, code: str | None, *, needed: bool) -> list[int]:
    """Rows by id, or the open ones with a reason code. Raises NothingChosen if there must be some."""
    if ids or code:
        return [*(ids or []), *([row.id for row in _rows(code, None, None, "open")] if code else [])]
    if needed:
        raise NothingChosen(
            "say which rows: --id 12 (once for each), or --code unknown_item for all that are open"
        )
    return []
