"""`recloop history`: who made which version champion, when, and why."""

from __future__ import annotations

from dataclasses import asdict

from flows.cli.options import Json


def history(as_json: Json = False) -> None:
    """Every move of `champion`, oldest first: when, how, by whom, and why."""
    from rich.markup import escape
    from rich.table import Table

    from components.registry.history import history as rows_of
    from flows.local.console import console, say_json
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    rows = rows_of(warehouse(), load_settings().model_name)
    if as_json:
        say_json([asdict(row) for row in rows])
        return
    if not rows:
        console.print("no version was ever champion: `recloop retrain` trains, replays and promotes one")
        return
    table = Table("at", "how", "version", "before", "verdict", "who", "why", box=None, pad_edge=False)
    for row in rows:
        cells = (row.kind, row.version or "none", row.previous or "none", row.verdict, row.who, row.reason)
        table.add_row(f"{row.at:%Y-%m-%d %H:%M}Z", *map(escape, cells))
    console.print(table)
