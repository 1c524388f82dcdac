"""`recloop replay`: two registered versions on one window, or a policy on a log; it moves nothing."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import (
    EventWeight,
    FilterSeen,
    Json,
    Mode,
    Profile,
    event_weights,
    gate_asked,
    moment_option,
)

if TYPE_CHECKING:
    from flows.logged_replay import ToldLog


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
    event_weight: EventWeight = None,
    as_json: Json = False,
) -> None:
    """Replay two registered versions on one window, or a policy on a log; print the verdict, move nothing."""
    from flows.local.console import leave_stdout

    if as_json:
        leave_stdout()
    if logged is not None:
        if challenger or champion or start or end:
            raise typer.BadParameter(
                "--logged judges the policy that the log names: leave out --challenger, --champion, --start, --end"
            )
        if profile not in ("small", "production"):
            raise typer.BadParameter(
                "a log is judged by profile small or production: sequential, and files, are for versions"
            )
        _replay_logged(logged, target_policy, profile, as_json)
    elif challenger is None or target_policy is not None:
        raise typer.BadParameter(
            "name a registered version with --challenger, or a log with propensities with --logged "
            "(--target-policy goes with the log)"
        )
    else:
        weights = event_weights(event_weight)
        _replay_versions(challenger, champion, start, end, profile, mode, filter_seen, weights, as_json)


def _replay_versions(
    challenger: str,
    champion: str | None,
    start: datetime | None,
    end: datetime | None,
    profile: Profile,
    mode: Mode,
    filter_seen: bool,
    weights: str | None,
    as_json: bool,
) -> None:
    from flows.cli.arms_table import arms_table
    from flows.cli.registry import registry
    from flows.cli.summary_box import say_addresses
    from flows.local.console import console, dimmed, say_json
    from flows.local.servers import running_servers
    from flows.settings import load_settings
    from flows.summary import arm_figures

    asked = gate_asked(profile)
    with registry() as model_name:  # a version that is not there is told before servers are started
        from components.registry import versions

        versions.get_version(model_name, challenger)
        versions.get_version(model_name, champion) if champion else versions.require_champion(model_name)
    with running_servers(load_settings(), dimmed, loading="flows.comparison"):
        from flows.comparison import compare_versions

        told = compare_versions(
            challenger,
            champion,
            start,
            end,
            mode=mode,
            filter_seen=filter_seen,
            event_weights=weights,
            **asked,
        )
    addresses = {"replay report": str(told.report), "MLflow run": told.mlflow}
    if as_json:
        measured, arms = told.evidence.measured, [asdict(arm) for arm in arm_figures(told.evidence)]
        verdict = {"outcome": measured.outcome, "reasons": measured.reasons}
        say_json(verdict | {"arms": arms, "addresses": addresses})
        return
    console.print(f"\n[bold]{told.evidence.measured.outcome}[/bold]")
    for reason in told.evidence.measured.reasons:
        console.print(f"· {reason}", markup=False)
    console.print(arms_table(arm_figures(told.evidence)))
    say_addresses(addresses)


def _replay_logged(path: Path, target_policy: Path | None, profile: Profile, as_json: bool) -> None:
    from flows.local.console import dimmed, say_json
    from flows.local.servers import running_servers
    from flows.logged_source import logs_at, read_log
    from flows.settings import load_settings

    for log in logs_at(path):  # a row that is amiss is told before servers are started
        read_log(log, target_policy)
    with running_servers(load_settings(), dimmed, loading="flows.logged_replay"):
        from flows.cli.logged_box import say_log
        from flows.logged_replay import logged_replay

        found = logged_replay(path, target_policy, profile)
    if as_json:
        say_json([_logged_json(told) for told in found])
        return
    for told in found:
        say_log(told.source, told.evidence, told.report, told.mlflow)


def _logged_json(told: ToldLog) -> dict[str, Any]:
    verdict = told.evidence.verdict
    return {
        "source": told.source,
        "outcome": verdict.outcome,
        "reasons": verdict.reasons,
        "estimates": [asdict(estimate) for estimate in told.evidence.estimates],
        "addresses": {"report": str(told.report), "MLflow run": told.mlflow},
    }
