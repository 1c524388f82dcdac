"""`recloop status`: champion, challenger, last cycles, freshness, quarantine, in one screen."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from flows.cli.options import Json

if TYPE_CHECKING:
    from components.registry.registered import RegisteredVersion
    from flows.cli.standing import RegistryStanding, Standing


def status(
    as_json: Json = False,
) -> None:
    """Champion, challenger, last cycles, freshness, quarantine; on an empty home, what to run first."""
    from flows.cli.standing import standing
    from flows.local.console import console, say_json, whole_line
    from flows.settings import load_settings

    settings = load_settings()
    if as_json:
        from flows.cli.standing_json import standing_json

        say_json(standing_json(standing()))
        return
    found = standing()
    whole_line(f"state      {settings.home}")
    if not found.counts.batches:
        console.print("nothing has been ingested yet: `recloop demo` or `recloop ingest --source …` begins")
        return
    _show_data(found)
    _show_registry(found.registry)
    _show_served(found)
    _show_cycles(found)


def _show_data(found: Standing) -> None:
    from flows.local.console import console

    counts = found.counts
    console.print(
        f"[bold]warehouse[/bold]  {counts.events:,} events of {counts.users:,} users, {counts.items:,} items, "
        f"{counts.batches} batches, {counts.quarantined:,} rows in quarantine"
    )
    if found.quarantine:
        told = ", ".join(f"{reason} {count:,}" for reason, count in found.quarantine.items())
        console.print(f"[bold]quarantine[/bold] {told}: `recloop quarantine list`", highlight=False)
    if counts.late:
        console.print(
            f"[bold]late[/bold]       {counts.late:,} events were told of after the time that they are of"
        )
    fresh = found.freshness
    console.print(
        f"[bold]freshness[/bold]  last event {when(fresh.last_event_at)}, last batch {when(fresh.last_landing_at)}"
    )


def _show_registry(found: RegistryStanding) -> None:
    """Both aliases, approvals that nobody acted on yet, and an alias that is not where the ledger says."""
    from rich.markup import escape

    from flows.local.console import console

    if found.is_empty:
        console.print("[bold]registry[/bold]   empty: no model has been registered yet")
        return
    if found.trouble:
        console.print(f"[bold]registry[/bold]   [red]{escape(found.trouble)}[/red]")
        return
    for alias, version in (("champion", found.champion), ("challenger", found.challenger)):
        told = "none" if version is None else _version(version)
        console.print(f"[bold]{alias:<10}[/bold] {told}")
    for approval in found.approvals:
        told = f"version {approval.version.version} by {approval.approver}; `recloop approvals` acts on it"
        console.print(f"[bold]approved[/bold]   {escape(told)}")
    if found.drift and found.drift.state != "agree":
        console.print(f"[bold]ledger[/bold]     [yellow]{escape(settled_by(found))}[/yellow]")


def settled_by(found: RegistryStanding) -> str:
    """What is between alias and ledger, and what settles it."""
    assert found.drift is not None
    fix = (
        ""
        if found.drift.state in ("interrupted", "broken")  # the first by itself, the other says how
        else " `recloop reconcile` with --adopt or --put-back settles it."
    )
    return found.drift.reason + fix


def _show_served(found: Standing) -> None:
    """Whose lists are served, and what the last look at the champion found."""
    from flows.local.console import console
    from flows.settings import load_settings

    if served := found.served:
        console.print(
            f"[bold]lists[/bold]      of version {served.run.model_version}, run {served.run.run}, served since "
            f"{when(served.at)}"
        )
    if look := found.monitored:
        told = f"{look.status}, version {look.version} on events until {when(look.as_of)}"
        console.print(
            f"[bold]monitoring[/bold] {told}: {load_settings().monitoring / 'index.html'}", soft_wrap=True
        )


def _version(found: RegisteredVersion) -> str:
    return (
        f"version {found.version}  {found.tags.get('recloop.arm', '')}, trained before "
        f"{found.tags.get('recloop.train_end', '')[:16]}Z, verdict {found.verdict}, bundle "
        f"{(found.bundle_digest or '')[:12]}"
    )


def _show_cycles(found: Standing) -> None:
    from rich.table import Table

    from flows.local.console import console

    if not found.cycles:
        console.print("no cycle has been finished yet: `recloop retrain` runs one")
        return
    table = Table(
        "as of", "trained before", "verdict", "version", "NDCG@10", "seconds", box=None, pad_edge=False
    )
    for told in found.cycles:
        table.add_row(
            when(datetime.fromisoformat(told.as_of)),
            when(datetime.fromisoformat(told.train_cutoff)),
            told.verdict,
            told.version,
            f"{told.challenger.ndcg:.4f}",
            f"{told.seconds:.0f}",
        )
    console.print()
    console.print(table)


def when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z" if moment else "never"
