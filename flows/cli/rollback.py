"""`recloop rollback`: bring the previous champion back."""

from __future__ import annotations

from typing import Annotated

import typer


def rollback(reason: Annotated[str, typer.Option(help="why; written to the ledger")]) -> None:
    """Bring the previous champion back, its tokenizer and ID table included."""
    from flows.cli.registry import actor, registry, say_moved
    from flows.warehouse import warehouse

    with registry() as model_name:
        from components.registry import promotion

        result = promotion.rollback(warehouse(), model_name=model_name, actor=actor(), reason=reason)
    say_moved(result)
    say_lists(result.champion)


def say_lists(version: str | None) -> None:
    """Serve again the lists that this version served last, if it did; else say whose are served."""
    from components.data.recommendations import restore_run
    from components.data.served_runs import current_run
    from flows.local.console import console
    from flows.warehouse import warehouse

    if version is not None and (served := restore_run(warehouse(), version)):
        console.print(f"the lists of version {version} are served again: run {served.run.run}")
    elif served := current_run(warehouse()):
        console.print(
            f"version {version} has no lists of its own any more: those of version {served.run.model_version} stay. "
            "`recloop score` makes new ones."
        )
