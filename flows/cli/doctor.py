"""`recloop doctor`: what could keep the loop from running on this machine, and how to fix each."""

from __future__ import annotations

import typer

from flows.cli.options import Json


def doctor(as_json: Json = False) -> None:
    """Check versions, ports, disk, databases and leases, and say how to fix each."""
    from dataclasses import asdict

    from flows.local.console import console, say_json, whole_line
    from flows.local.diagnosis import diagnose
    from flows.settings import load_settings

    findings = diagnose(load_settings())
    if as_json:
        say_json([asdict(finding) for finding in findings])
    for finding in () if as_json else findings:
        sign = "[green]✓[/green]" if finding.ok else "[red]✗[/red]"
        console.print(f"  {sign} {finding.name:<16}", end=" ")
        whole_line(finding.detail)
        if not finding.ok:
            console.print(f"    {'':<16} fix: {finding.fix}", markup=False, style="yellow", soft_wrap=True)
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)
