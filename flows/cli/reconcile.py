"""`recloop reconcile`: bring MLflow's alias and the ledger together after somebody moved the alias by hand."""

from __future__ import annotations

from typing import Annotated, Literal

import typer


def reconcile(
    adopt: Annotated[
        bool, typer.Option("--adopt", help="accept what MLflow says; the ledger notes it")
    ] = False,
    put_back: Annotated[bool, typer.Option("--put-back", help="move the alias back to the ledger's")] = False,
    accept_ledger: Annotated[
        bool,
        typer.Option(
            "--accept-ledger",
            help="take ledgers that somebody changed behind recloop as they lie, and MLflow's champion; noted too",
        ),
    ] = False,
) -> None:
    """Say how MLflow's `champion` stands to the ledger; --adopt or --put-back brings them together."""
    from flows.cli.registry import NothingRegistered, NotMoved, actor, registry
    from flows.local.console import console
    from flows.warehouse import warehouse

    if adopt + put_back + accept_ledger > 1:
        raise typer.BadParameter(
            "--adopt accepts the alias, --put-back undoes it, --accept-ledger accepts a broken ledger: give one"
        )
    mode: Literal["report", "adopt", "put-back", "accept-ledger"] = "adopt" if adopt else "report"
    mode = "put-back" if put_back else "accept-ledger" if accept_ledger else mode
    try:
        with registry() as model_name:
            from components.registry import drift

            result = drift.reconcile(warehouse(), model_name, mode, actor=actor())
            if mode == "accept-ledger":
                _require_whole(result.reason)
            elif mode != "report" and drift.drift_of_alias(warehouse(), model_name).state != "agree":
                raise NotMoved(result.reason)
    except NothingRegistered:
        if mode != "accept-ledger":
            raise
        console.print(_accepted_alone(), markup=False)
        return
    console.print(result.reason, markup=False)


def _accepted_alone() -> str:
    """Where no registry was ever made, or its database is gone; what was accepted."""
    from components.data.accepting import accept_books, accept_promotions, said
    from flows.cli.registry import actor
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    is_promoted = accept_promotions(warehouse(), load_settings().model_name, actor=actor())
    books = accept_books(warehouse(), actor=actor())
    return said(("promotions", *books) if is_promoted else books)


def _require_whole(reason: str) -> None:
    """Raise NotMoved if a ledger is still not what was written."""
    from flows.cli.registry import NotMoved
    from flows.local.ledgers import checked_ledgers
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    if not all(ledger.ok for ledger in checked_ledgers(warehouse(), load_settings())):
        raise NotMoved(reason)
