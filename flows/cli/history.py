"""`recloop history`: who made which version champion, when, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from flows.cli.options import Json

if TYPE_CHECKING:
    from rich.table import Table

    from components.registry.history import HistoryRow


def history(as_json: Json = False) -> None:
    """Every move of `champion`, oldest first: when, how, by whom, and why.

    Exits with 1, and says what differs, if the ledger is not what was written.
    """
    from components.data.chain import LedgerBroken
    from components.registry.history import history as rows_of
    from flows.cli.registry import why_ledger_is_broken
    from flows.local.console import console, error_message, say_json
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    broken = why_ledger_is_broken()
    rows = rows_of(warehouse(), load_settings().model_name)
    if as_json:
        say_json([asdict(row) for row in rows])
    elif rows:
        console.print(_table(rows))
    elif not broken:
        console.print("no version was ever champion: `recloop retrain` trains, replays and promotes one")
    if broken:
        error_message(LedgerBroken(broken))
        raise typer.Exit(1)


def _table(rows: list[HistoryRow]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("at", "how", "version", "before", "verdict", "who", "why", box=None, pad_edge=False)
    for row in rows:
        cells = (row.kind, row.version or "none", row.previous or "none", row.verdict, row.who, row.reason)
        table.add_row(f"{row.at:%Y-%m-%d %H:%M}Z", *map(escape, cells))
    return table
