"""`recloop verify`: a registered version against its record, made again from the warehouse."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Json

if TYPE_CHECKING:
    from rich.table import Table

    from components.registry.verification import Finding

_COLOURS = {
    "same": "green", "same lists": "green", "differs": "red", "missing": "yellow", "erased": "yellow",
    "other code": "yellow", "other commit": "yellow",
}  # fmt: skip


def verify(
    version: Annotated[str | None, typer.Option(help="a registered version")] = None,
    alias: Annotated[
        str, typer.Option(help="in place of --version: who is meant by this alias")
    ] = "champion",
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain", help="also fit and train again with the recorded seed, and compare weights"
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a version's bytes and claims, make its data again from the warehouse, and compare digests.

    Nothing that is stored is written to. Exits with 1 if anything differs.
    """
    from flows.cli.registry import registry
    from flows.local.console import console, dimmed, leave_stdout, say_json
    from flows.local.servers import running_servers
    from flows.settings import load_settings

    if as_json:
        leave_stdout()
    with registry() as model_name:  # a version that is not there is told before a server is started
        from components.registry import versions

        chosen = (
            versions.get_version(model_name, version)
            if version
            else versions.require_alias(model_name, alias)
        )
    findings: list[Finding] = []
    logging.captureWarnings(True)  # what one engine warns another's authors of, which Prefect does in a cycle
    with (
        running_servers(load_settings(), dimmed, needed=("mlflow",)),  # bundles come through it
        tempfile.TemporaryDirectory(prefix="recloop-verify-") as scratch,
        registry(),
    ):
        from flows.verifying import verify
        from flows.version_chain import chain_of

        console.print(f"version {chosen.version} of {model_name}", style="bold", markup=False)
        chain = chain_of(chosen.version, Path(scratch))
        findings += verify(chain, Path(scratch))
        if retrain:
            from flows.retrained import train_again

            findings += train_again(chain, Path(scratch))
    differs = any(finding.verdict == "differs" for finding in findings)
    if as_json:
        told = {"model": model_name, "version": chosen.version, "differs": differs}
        say_json(told | {"findings": [asdict(finding) for finding in findings]})
        raise typer.Exit(int(differs))
    console.print(_table(findings))
    for finding in findings:
        if finding.note and finding.verdict != "same":
            console.print(f"· {finding.stage}: {finding.note}", markup=False)
    console.print(_summary(findings))
    raise typer.Exit(int(differs))


def _table(findings: list[Finding]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("what", "recorded", "found", "verdict", box=None, pad_edge=False)
    for finding in findings:
        verdict = f"[{_COLOURS[finding.verdict]}]{finding.verdict}[/]"
        if finding.verdict == "same" and finding.note:
            verdict += f" [dim]{escape(finding.note)}[/dim]"
        table.add_row(escape(finding.stage), *map(_short, (finding.recorded, finding.found)), verdict)
    return table


def _short(value: str) -> str:
    """A digest by its first figures; a commit keeps the mark of uncommitted changes."""
    from rich.markup import escape

    digest, plus, mark = value.partition("+")
    is_digest = len(digest) >= 40 and all(sign in "0123456789abcdef" for sign in digest)
    return escape((digest[:12] if is_digest else digest) + plus + mark) or "–"


def _summary(findings: list[Finding]) -> str:
    counts = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in _COLOURS}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return f"\n{len(findings)} looked at: {told}"
