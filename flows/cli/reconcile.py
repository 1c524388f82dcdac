"""`recloop reconcile`: bring MLflow's alias and the ledger together after somebody moved the alias by hand."""

from __future__ import annotations

from typing import Annotated, Literal

import typer


def reconcile(
    adopt: Annotated[
        bool, typer.Option("--adopt", help="accept what MLflow says; the ledger notes it")
    ] = False,
    put_back: Annotated[bool, typer.Option("--put-back", help="move the alias back to the ledger's")] = False,
) -> None:
    """Say how MLflow's `champion` stands to the ledger; --adopt or --put-back brings them together."""
    from flows.cli.registry import NotMoved, actor, registry
    from flows.local.console import console
    from flows.warehouse import warehouse

    if adopt and put_back:
        raise typer.BadParameter("--adopt accepts the alias, --put-back undoes it: give one")
    mode: Literal["report", "adopt", "put-back"] = "adopt" if adopt else "put-back" if put_back else "report"
    with registry() as model_name:
        from components.registry import drift

        result = drift.reconcile(warehouse(), model_name, mode, actor=actor())
        if mode != "report" and drift.drift_of_alias(warehouse(), model_name).state != "agree":
            raise NotMoved(result.reason)
    console.print(result.reason, markup=False)
