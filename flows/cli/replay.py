"""`recloop replay`: two registered versions on one window, or a policy on a log; it moves nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import FilterSeen, Mode, Profile, gate_asked, moment_option


def replay(
    challenger: Annotated[str | None, typer.Option(help="a registered version")] = None,
    champion: Annotated[str | None, typer.Option(help="a registered version; default: the champion")] = None,
    start: Annotated[
        datetime | None, moment_option("window start; default: the challenger's training end")
    ] = None,
    end: Annotated[datetime | None, moment_option("window end; default: after the last event")] = None,
    logged: Annotated[
        Path | None,
        typer.Option(
            help="in place of versions: a log with propensities (CSV or parquet with item_id, reward, propensity, "
            "target_propensity), or the Open Bandit sample's folder"
        ),
    ] = None,
    target_policy: Annotated[
        Path | None,
        typer.Option(help="with --logged: the judged policy over all items (item_id, probability, position)"),
    ] = None,
    profile: Profile = "small",
    mode: Mode = "rolling",
    filter_seen: FilterSeen = True,
) -> None:
    """Replay two registered versions on one window, or a policy on a log; print the verdict, move nothing."""
    if logged is not None:
        if challenger or champion or start or end:
            raise typer.BadParameter(
                "--logged judges the policy that the log names: leave out --challenger, --champion, --start, --end"
            )
        if profile not in ("small", "production"):
            raise typer.BadParameter(
                "a log is judged by profile small or production: sequential, and files, are for versions"
            )
        _replay_logged(logged, target_policy, profile)
    elif challenger is None or target_policy is not None:
        raise typer.BadParameter(
            "name a registered version with --challenger, or a log with propensities with --logged "
            "(--target-policy goes with the log)"
        )
    else:
        _replay_versions(challenger, champion, start, end, profile, mode, filter_seen)


def _replay_versions(
    challenger: str,
    champion: str | None,
    start: datetime | None,
    end: datetime | None,
    profile: Profile,
    mode: Mode,
    filter_seen: bool,
) -> None:
    from flows.cli.arms_table import arms_table
    from flows.cli.registry import registry
    from flows.local.console import console, dimmed
    from flows.local.servers import running_servers
    from flows.settings import load_settings
    from flows.summary import arm_figures

    asked = gate_asked(profile)
    with registry() as model_name:  # a version that is not there is told before servers are started
        from components.registry import versions

        versions.get_version(model_name, challenger)
        versions.get_version(model_name, champion) if champion else versions.require_champion(model_name)
    with running_servers(load_settings(), dimmed):
        from flows.comparison import compare_versions

        told = compare_versions(challenger, champion, start, end, mode=mode, filter_seen=filter_seen, **asked)
    console.print(f"\n[bold]{told.evidence.measured.outcome}[/bold]")
    for reason in told.evidence.measured.reasons:
        console.print(f"· {reason}", markup=False)
    console.print(arms_table(arm_figures(told.evidence)))
    console.print(f"replay report  {told.report}", markup=False)
    if told.mlflow:
        console.print(f"MLflow run     {told.mlflow}", markup=False)


def _replay_logged(path: Path, target_policy: Path | None, profile: Profile) -> None:
    from flows.local.console import console, dimmed
    from flows.local.servers import running_servers
    from flows.logged_source import logs_at, read_log
    from flows.settings import load_settings

    for log in logs_at(path):  # a row that is amiss is told before servers are started
        read_log(log, target_policy)
    with running_servers(load_settings(), dimmed):
        from flows.cli.logged_box import logged_box
        from flows.logged_replay import logged_replay

        for told in logged_replay(path, target_policy, profile):
            console.print(logged_box(told.source, told.evidence, told.report, told.mlflow))
