"""`recloop status`: champion, challenger, last cycles, freshness, quarantine, in one screen."""

from __future__ import annotations

from datetime import datetime

from rich.markup import escape
from rich.table import Table


def status() -> None:
    """Champion, challenger, last cycles, freshness, quarantine; on an empty home, what to run first."""
    from components.data import queries
    from flows.local.console import console
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    settings = load_settings()
    console.print(f"[bold]state[/bold]      {settings.home}")
    engine = warehouse()
    counts, fresh = queries.counts(engine), queries.freshness(engine)
    if not counts.batches:
        console.print("nothing has been ingested yet: `recloop demo` or `recloop ingest --source …` begins")
        return
    console.print(
        f"[bold]warehouse[/bold]  {counts.events:,} events of {counts.users:,} users, {counts.items:,} items, "
        f"{counts.batches} batches, {counts.quarantined:,} rows in quarantine"
    )
    _show_waiting(counts.late)
    console.print(
        f"[bold]freshness[/bold]  last event {_when(fresh.last_event_at)}, last batch {_when(fresh.last_landing_at)}"
    )
    _show_registry()
    _show_monitoring()
    _show_cycles()


def _show_waiting(late: int) -> None:
    """What is open in the quarantine, by reason, and how many events came late."""
    from components.data import queries
    from flows.local.console import console
    from flows.warehouse import warehouse

    if reasons := queries.quarantine_reasons(warehouse()):
        told = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())
        console.print(f"[bold]quarantine[/bold] {told}: `recloop quarantine list`", highlight=False)
    if late:
        console.print(f"[bold]late[/bold]       {late:,} events were told of after the time that they are of")


def _show_registry() -> None:
    from components.registry import versions
    from components.registry.tracking import TrackingUnreachable
    from flows.cli.registry import NothingRegistered, registry
    from flows.local.console import console

    try:
        with registry() as model_name:
            aliases = versions.aliases(model_name)
            for alias in (versions.CHAMPION, versions.CHALLENGER):
                version = aliases.get(alias)
                told = "none" if version is None else _version(model_name, version)
                console.print(f"[bold]{alias:<10}[/bold] {told}")
            _show_what_waits(model_name)
    except NothingRegistered:
        console.print("[bold]registry[/bold]   empty: no model has been registered yet")
    except TrackingUnreachable as error:
        console.print(f"[bold]registry[/bold]   [red]{error}[/red]")


def _show_monitoring() -> None:
    """What the last look at the champion found, if there was one."""
    from components.data.monitor_runs import monitor_runs
    from flows.local.console import console
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    if looks := monitor_runs(warehouse(), load_settings().model_name, limit=1):
        told = (
            f"{looks[0].status}, version {looks[0].version} on events until {looks[0].as_of:%Y-%m-%d %H:%M}Z"
        )
        console.print(f"[bold]monitoring[/bold] {told}: {load_settings().monitoring / 'index.html'}")


def _show_what_waits(model_name: str) -> None:
    """Approvals that nobody acted on yet, and an alias that is not where the ledger says."""
    from components.registry.approvals import pending_approvals
    from components.registry.drift import drift_of_alias
    from flows.local.console import console
    from flows.warehouse import warehouse

    for approval in pending_approvals(warehouse(), model_name):
        told = f"version {approval.version.version} by {approval.approver}; `recloop approvals` acts on it"
        console.print(f"[bold]approved[/bold]   {escape(told)}")
    if (drift := drift_of_alias(warehouse(), model_name)).state != "agree":
        fix = (
            ""
            if drift.state == "interrupted"
            else " `recloop reconcile` with --adopt or --put-back settles it."
        )
        console.print(f"[bold]ledger[/bold]     [yellow]{escape(drift.reason + fix)}[/yellow]")


def _version(model_name: str, version: str) -> str:
    from components.registry import versions

    found = versions.get_version(model_name, version)
    return (
        f"version {version}  {found.tags.get('recloop.arm', '')}, trained before "
        f"{found.tags.get('recloop.train_end', '')[:16]}Z, verdict {found.verdict}, bundle "
        f"{(found.bundle_digest or '')[:12]}"
    )


def _show_cycles() -> None:
    from components.data import cycles
    from flows.local.console import console
    from flows.record import read_record
    from flows.warehouse import warehouse

    recorded = cycles.cycles(warehouse())
    if not recorded:
        console.print("no cycle has been finished yet: `recloop retrain` runs one")
        return
    table = Table(
        "as of", "trained before", "verdict", "version", "NDCG@10", "seconds", box=None, pad_edge=False
    )
    for cycle in recorded[-5:]:
        told = read_record(cycle).told
        challenger = next(arm for arm in told.arms if arm.role == "challenger")
        table.add_row(
            f"{cycle.as_of:%Y-%m-%d %H:%M}Z",
            f"{cycle.train_cutoff:%Y-%m-%d %H:%M}Z",
            cycle.verdict,
            told.version,
            f"{challenger.ndcg:.4f}",
            f"{told.seconds:.0f}",
        )
    console.print()
    console.print(table)


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z" if moment else "never"
