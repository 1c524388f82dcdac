"""`recloop doctor`: what could keep the loop from running on this machine, and how to fix each."""

from __future__ import annotations

import typer


def doctor() -> None:
    """Check versions, ports, disk, databases and leases, and say how to fix each."""
    from flows.local.console import console
    from flows.local.diagnosis import diagnose
    from flows.settings import load_settings

    findings = diagnose(load_settings())
    for finding in findings:
        sign = "[green]✓[/green]" if finding.ok else "[red]✗[/red]"
        console.print(f"  {sign} {finding.name:<16}", end=" ")
        console.print(finding.detail, markup=False)
        if not finding.ok:
            console.print(f"    {'':<16} fix: {finding.fix}", markup=False, style="yellow")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)
