"""`recloop erase`: one user out of every store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from components.data.erasure import Place
    from flows.settings import Settings


def erase(
    user: Annotated[str, typer.Option("--user", "-u", help="user id, as in the source")],
    dry_run: Annotated[bool, typer.Option(help="show what would go, and remove nothing")] = False,
    lift: Annotated[
        bool, typer.Option(help="let later batches bring this user in again; erases nothing")
    ] = False,
    online_erased: Annotated[
        bool,
        typer.Option(
            help="the online store cannot be reached from here, and the user has been deleted there"
        ),
    ] = False,
) -> None:
    """Erase one user from every store, and take no later row of theirs in. Killed, it is run again."""
    from components.data import erased_users
    from flows.backtest_home import backtest_homes, inside_backtest
    from flows.local.console import console
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    settings = load_settings()
    if lift:
        lifted = erased_users.lift_tombstone(warehouse(), user)
        for name in backtest_homes(settings):
            with inside_backtest(name):
                erased_users.lift_tombstone(warehouse(), user)
        console.print("later batches may bring this user in again" if lifted else "no such user was erased")
        return
    total = _erase_here(user, dry_run=dry_run, online=not online_erased)
    for name in backtest_homes(settings):
        console.print(f"back-test {name}", markup=False)
        with inside_backtest(name):
            total += _erase_here(user, dry_run=dry_run, online=True)
    if dry_run:
        console.print(f"{total:,} rows and entries would go; nothing was removed")
        return
    console.print(f"{total:,} rows and entries are gone, and later batches bring none in")
    if not settings.mlflow_is_local or settings.mlflow_artifacts_url:
        where = settings.mlflow_artifacts_url or settings.mlflow_tracking_uri
        console.print(f"Reports that were logged to {where} lie there and were not searched.")


def _erase_here(user: str, *, dry_run: bool, online: bool) -> int:
    """Out of every place of this process's home; how many rows and entries that is."""
    from components.data import lease
    from components.data.erasure import erase_user, plan_erasure
    from flows.local.console import console
    from flows.settings import load_settings
    from flows.warehouse import RETRAINING, SCORING, warehouse

    places, engine = every_place(load_settings(), user, online=online), warehouse()
    if dry_run:
        counts = plan_erasure(places)
    else:
        me = lease.this_process()
        with lease.hold_lease(engine, RETRAINING, owner=me), lease.hold_lease(engine, SCORING, owner=me):
            counts = erase_user(engine, user, places)
    for entry in counts:
        if entry.count:
            console.print(f"  {entry.count:>8,}  {entry.name}", highlight=False)
    return sum(entry.count for entry in counts)


def every_place(settings: Settings, user: str, *, online: bool) -> tuple[Place, ...]:
    """The places of a home, whichever room they are of."""
    from components.data.artifact_erasure import artifact_places
    from components.data.erasure import Place, warehouse_places
    from components.data.snapshot_erasure import snapshot_place
    from components.features import erasure as of_features
    from components.features.store import erasure as of_store
    from components.features.store.opening import open_store
    from components.report import erasure as of_pages
    from components.serving import forgetting
    from flows.warehouse import warehouse

    engine, root, store = warehouse(), settings.artifacts, open_store(settings.feast_home)
    served = {"events_spool": settings.events_spool, "exposures": settings.exposures}
    folders = {"pages": settings.reports, "reports in MLflow": settings.home / "mlartifacts"}
    return (
        *warehouse_places(engine, user),
        snapshot_place(engine, root, user),
        *artifact_places(engine, root, user, {**of_features.FORGETTING, **of_pages.FORGETTING}),
        Place(
            name="feature store",
            count=lambda: of_store.count_user(store, user, online=online),
            erase=lambda: of_store.erase_user(store, user, online=online),
        ),
        Place(
            name="posted events and exposures",
            count=lambda: forgetting.count_user(user, **served),
            erase=lambda: _forget(user, served),
        ),
        *(
            Place(
                name=name,
                count=lambda folder=folder: of_pages.count_in_pages(folder, user),  # type: ignore[misc]
                erase=lambda folder=folder: of_pages.forget_in_pages(folder, user),  # type: ignore[misc]
            )
            for name, folder in folders.items()
        ),
    )


def _forget(user: str, served: dict[str, Path]) -> None:
    from components.serving.forgetting import forget_user

    forget_user(user, **served)
