"""`recloop restore`: a home back from the file that `recloop backup` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_MEGABYTE = 1e6


def restore(
    archive: Annotated[Path, typer.Argument(help="a file that `recloop backup` wrote")],
) -> None:
    """Put a home back from a backup, every byte checked; refuses a home that holds anything."""
    from flows.local.backup import restore as put_back
    from flows.local.console import console
    from flows.settings import load_settings

    home = load_settings().home
    done = put_back(archive, home)
    console.print(
        f"{done.files:,} files, {done.size / _MEGABYTE:,.1f} MB as of {done.facts.made_at}: {home}",
        highlight=False,
    )
