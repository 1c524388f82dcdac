"""`recloop backup`: a home as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.settings import Settings

_MEGABYTE = 1e6


def backup(
    to: Annotated[
        Path, typer.Option("--to", help="the file to write, such as recloop.tar or recloop.tar.gz")
    ],
) -> None:
    """Write this home (databases, artifacts, registry, reports) into one file; servers may go on running.

    Nobody may retrain, score or prune meanwhile: a lease that is held refuses.
    """
    from components.data import lease
    from flows.local.backup import BackupRefused, back_up
    from flows.local.console import console
    from flows.settings import load_settings
    from flows.warehouse import RETRAINING, SCORING, warehouse

    settings = load_settings()
    if not settings.home.is_dir():  # else opening its warehouse would make one
        raise BackupRefused(f"there is nothing under {settings.home}: another --home may hold something")
    me = lease.this_process()
    with (
        lease.hold_lease(warehouse(), RETRAINING, owner=me),
        lease.hold_lease(warehouse(), SCORING, owner=me),
    ):
        done = back_up(settings.home, to)
    console.print(
        f"{done.files:,} files, {done.size / _MEGABYTE:,.1f} MB of {settings.home}: {to}", highlight=False
    )
    for elsewhere in _elsewhere(settings):
        console.print(f"[yellow]not in it[/yellow]  {elsewhere}", highlight=False)


def _elsewhere(settings: Settings) -> list[str]:
    """What this home works with and a backup of it does not hold."""
    found = []
    if not settings.warehouse_url.get_secret_value().startswith("sqlite"):
        found.append(f"the warehouse, {settings.warehouse_address}: its own tools dump it (pg_dump)")
    if not settings.mlflow_is_local:
        found.append(f"MLflow, {settings.mlflow_tracking_uri}: dump its database and keep its artifacts")
    if not settings.prefect_is_local:
        found.append(f"Prefect, {settings.prefect_api_url}: its history of runs")
    if settings.artifacts_url is not None:
        found.append(f"copies of artifacts, {settings.artifacts_url}: what is not here is fetched from there")
    folders = {
        "artifacts": settings.artifacts,
        "Feast": settings.feast_home,
        "posted events": settings.events_spool,
    }
    found += [f"{name}, {path}" for name, path in folders.items() if not path.is_relative_to(settings.home)]
    return found
