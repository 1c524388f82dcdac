"""`recloop verdict`: the verdicts of the last cycles, as markdown."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from flows.cli.options import Json


class NoVerdict(Exception):
    """No cycle of this home has been finished."""


def verdict(
    last: Annotated[int, typer.Option(min=1, help="how many cycles, the latest last")] = 1,
    as_json: Json = False,
) -> None:
    """The verdicts of the last cycles as markdown, for the summary of a CI job or a comment."""
    from components.data import cycles
    from flows.cli.verdict_markdown import verdicts_markdown
    from flows.local.console import say_json
    from flows.local.waiting_line import pause
    from flows.settings import load_settings
    from flows.summary import told_of
    from flows.warehouse import warehouse

    recorded = cycles.cycles(warehouse(), last=last)
    if not recorded:
        raise NoVerdict(
            f"no cycle has been finished under {load_settings().home}: `recloop retrain` runs one; another --home "
            "may hold some."
        )
    if as_json:
        say_json([asdict(told_of(cycle)) for cycle in recorded])
        return
    pause()
    typer.echo(verdicts_markdown(told_of(cycle) for cycle in recorded))
