"""`recloop prune`: artifacts that are old and that nothing points to."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Annotated

import typer

_MEGABYTE = 1e6


def prune(
    older_than: Annotated[int, typer.Option(min=0, metavar="DAYS", help="leave what is younger, in days")],
    dry_run: Annotated[bool, typer.Option(help="show what would go, and remove nothing")] = False,
) -> None:
    """Remove old artifacts that no cycle, ledger, registered version or recent stage points to."""
    from components.data import lease
    from components.data.pruning import plan_pruning
    from components.data.pruning import prune as remove
    from flows.local.console import console
    from flows.settings import load_settings
    from flows.warehouse import RETRAINING, warehouse

    settings, engine, keep = load_settings(), warehouse(), _registered()
    with lease.hold_lease(engine, RETRAINING, owner=lease.this_process()):
        plan = plan_pruning(
            engine,
            settings.artifacts,
            keep=keep,
            older_than=timedelta(days=older_than),
            reports=settings.reports,
        )
        if not dry_run:
            remove(engine, plan)
    by_kind: defaultdict[str, list[int]] = defaultdict(list)
    for entry in plan.prunable:
        by_kind[entry.kind].append(entry.size)
    for kind, sizes in sorted(by_kind.items()):
        console.print(f"  {len(sizes):>6,}  {kind:<16} {sum(sizes) / _MEGABYTE:>10,.1f} MB", highlight=False)
    what = f"{len(plan.prunable):,} entries, {plan.size / _MEGABYTE:,.1f} MB"
    console.print(
        f"{what} would go; nothing was removed"
        if dry_run
        else f"{what} are gone; {plan.num_kept:,} artifacts stay"
    )


def _registered() -> set[str]:
    """Bundles of every registered version, whatever its verdict."""
    from flows.cli.registry import NothingRegistered, registry

    try:
        with registry() as model_name:
            from components.registry import versions

            found = versions.versions(model_name)
            return {version.bundle_digest for version in found if version.bundle_digest}
    except NothingRegistered:
        return set()
