"""`recloop prune`: artifacts that are old and that nothing points to."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.settings import Settings

_MEGABYTE = 1e6


def prune(
    older_than: Annotated[int, typer.Option(min=0, metavar="DAYS", help="leave what is younger, in days")],
    dry_run: Annotated[bool, typer.Option(help="show what would go, and remove nothing")] = False,
) -> None:
    """Remove old artifacts that nothing points to, and old lists that are not served.

    Pointed to is what a cycle, a ledger, a registered version, a recent stage or the lists that are served name; the
    lists that a rollback would bring back stay too.
    """
    from components.data import lease
    from components.data.pruning import plan_pruning
    from components.data.pruning import prune as remove
    from flows.local.console import console
    from flows.settings import load_settings
    from flows.warehouse import RETRAINING, SCORING, warehouse

    settings, engine, keep = load_settings(), warehouse(), _registered()
    me = lease.this_process()
    with lease.hold_lease(engine, RETRAINING, owner=me), lease.hold_lease(engine, SCORING, owner=me):
        plan = plan_pruning(
            engine,
            settings.artifacts,
            keep=keep,
            older_than=timedelta(days=older_than),
            reports=settings.reports,
        )
        if not dry_run:
            _drop_online(
                settings, [run.run for run in plan.runs if run.is_batch]
            )  # while the plan knows them
            remove(engine, plan)
    by_kind: defaultdict[str, list[int]] = defaultdict(list)
    for entry in plan.prunable:
        by_kind[entry.kind].append(entry.size)
    for kind, sizes in sorted(by_kind.items()):
        console.print(f"  {len(sizes):>6,}  {kind:<16} {sum(sizes) / _MEGABYTE:>10,.1f} MB", highlight=False)
    if plan.runs:
        rows = sum(run.num_rows for run in plan.runs)
        batches = sum(run.is_batch for run in plan.runs)
        console.print(
            f"  {len(plan.runs):>6,}  {'runs of lists':<16} {rows:>10,} rows, {batches:,} of batch scoring",
            highlight=False,
        )
    what = f"{len(plan.prunable):,} entries, {plan.size / _MEGABYTE:,.1f} MB"
    console.print(
        f"{what} would go; nothing was removed"
        if dry_run
        else f"{what} are gone; {plan.num_kept:,} artifacts stay"
    )


def _drop_online(settings: Settings, runs: list[str]) -> None:
    """The lists of these runs out of the online store."""
    if runs:  # Feast takes seconds to import
        from components.features.store.lists import drop_lists
        from components.features.store.opening import open_store

        drop_lists(open_store(settings.feast_home), runs)


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
