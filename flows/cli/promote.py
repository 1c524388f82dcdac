"""`recloop promote`: make a version champion, by hand."""

from __future__ import annotations

from typing import Annotated

import typer


def promote(
    version: Annotated[str, typer.Option(help="the version to make champion")],
    reason: Annotated[str, typer.Option(help="why; written to the ledger")],
    expect_champion: Annotated[
        str | None,
        typer.Option(help="refuse unless this version is champion now; 'none' for an empty registry"),
    ] = None,
    force: Annotated[bool, typer.Option(help="promote against the verdict; the ledger says so")] = False,
) -> None:
    """Move `champion` to a version whose verdict is PROMOTE, or that a reviewer approved.

    Without --expect-champion, whoever is champion now is the one that is replaced. A version that then does not
    answer is taken back.
    """
    from flows.cli.registry import actor, registry, say_moved
    from flows.warehouse import warehouse

    with registry() as model_name:
        from components.registry import promotion, versions
        from flows.approving import policy_now, smoke_test

        target = versions.get_version(model_name, version)
        current = versions.champion(model_name)
        expected = current.version if current else None
        if expect_champion is not None:
            expected = None if expect_champion == "none" else expect_champion
        result = promotion.promote(
            warehouse(),
            model_name=model_name,
            version=version,
            expected_champion=expected,
            verdict=target.verdict or "none",
            actor=actor(),
            reason=reason,
            evidence={},
            force=force,
            policy=policy_now(),
            approver=actor(),
            smoke=smoke_test(),
        )
    say_moved(result, version)
