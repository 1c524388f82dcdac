"""`recloop`: every stage of the loop from the terminal.

Imports of engines stand inside the commands, so that `--help` answers at once. A known failure prints one
message that names the thing and the mend, and exits with 1; anything else keeps its traceback.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    name="recloop",
    help="A retraining loop for generative recommenders: validate, train, replay, promote.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)

Source = Annotated[
    str, typer.Option("--source", "-s", help="movielens, synthetic, or a folder of events and items")
]
AsOf = Annotated[
    str | None,
    typer.Option(help="the moment that counts as now, ISO 8601 with zone; default: the data's end"),
]
Mode = Annotated[
    Literal["rolling", "batch"],
    typer.Option(help="rolling (a list before every event) or batch (one list a user, at the cut)"),
]
FilterSeen = Annotated[
    bool,
    typer.Option(
        "--filter-seen/--keep-seen",
        help="keep where people take things again: what a user has had then counts, in lists and in truth",
    ),
]
Since = Annotated[str | None, typer.Option(help="take only events from this moment on")]


@app.callback()
def _main(
    home: Annotated[
        Path | None, typer.Option(help="folder of all state", envvar="RECLOOP_HOME", show_default=".recloop")
    ] = None,
) -> None:
    import logging
    import os
    import warnings

    from flows.settings import apply_environment, load_settings

    if home is not None:
        os.environ["RECLOOP_HOME"] = str(home)
    apply_environment(load_settings())
    # what the engines warn each other's authors of is nothing that a user can mend
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", DeprecationWarning)
    # a failure reaches the terminal once, as itself; how it went through Prefect is told in Prefect's UI
    for runs in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(runs).propagate = False


@app.command()
def demo(
    data: Annotated[str, typer.Option(help="movielens, synthetic, or a folder")] = "movielens",
    preset: Annotated[
        str, typer.Option(help="default, or quick (small models, for a first look)")
    ] = "default",
) -> None:
    """Take real data through two retraining cycles and print the verdicts."""
    from flows.demo import run_demo

    run_demo(data, preset=preset)


@app.command()
def ingest(source: Source = "movielens", since: Since = None, as_of: AsOf = None) -> None:
    """Check a batch against its contracts, quarantine bad rows, land the rest."""
    from flows.commands import ingest as command

    command(source, since=_moment(since), as_of=_moment(as_of))


@app.command()
def validate(source: Source = "movielens", since: Since = None, as_of: AsOf = None) -> None:
    """Check a batch against its contracts and land nothing."""
    from flows.commands import validate as command

    command(source, since=_moment(since), as_of=_moment(as_of))


@app.command()
def retrain(
    source: Source = "movielens",
    since: Since = None,
    as_of: AsOf = None,
    train_cutoff: Annotated[
        str | None, typer.Option(help="train before, replay after; default: the last cycle's as-of")
    ] = None,
    challenger: Annotated[
        str, typer.Option(help="mmgrec, mmgrec_paper, tiger, semantic_sasrec, sasrec, hstu or ease")
    ] = "mmgrec",
    profile: Annotated[str, typer.Option(help="gate profile: small or production")] = "small",
    mode: Mode = "rolling",
    filter_seen: FilterSeen = True,
    preset: Annotated[str, typer.Option(help="model size: default or quick")] = "default",
    refit_tokenizer: Annotated[bool, typer.Option(help="make new semantic IDs for all items")] = False,
) -> None:
    """Run one whole cycle: ingest, train, replay, decide, register, and promote if the verdict says so."""
    from flows.commands import retrain as command

    command(
        source,
        since=_moment(since),
        as_of=_moment(as_of),
        train_cutoff=_moment(train_cutoff),
        challenger=challenger,
        profile=profile,
        mode=mode,
        filter_seen=filter_seen,
        preset=preset,
        tokenizer="refit" if refit_tokenizer else "reuse",
    )


@app.command()
def replay(
    challenger: Annotated[str | None, typer.Option(help="a registered version")] = None,
    champion: Annotated[str | None, typer.Option(help="a registered version; default: the champion")] = None,
    start: Annotated[
        str | None, typer.Option(help="window start; default: the challenger's training end")
    ] = None,
    end: Annotated[str | None, typer.Option(help="window end; default: after the last event")] = None,
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
    profile: Annotated[
        Literal["small", "production"], typer.Option(help="gate profile: small or production")
    ] = "small",
    mode: Mode = "rolling",
    filter_seen: FilterSeen = True,
) -> None:
    """Replay two registered versions on one window, or a policy on a log; print the verdict, move nothing."""
    if logged is not None:
        if challenger or champion or start or end:
            raise typer.BadParameter(
                "--logged judges the policy that the log names: leave out --challenger, --champion, --start, --end"
            )
        from flows.commands import replay_logged

        replay_logged(logged, target_policy=target_policy, profile=profile)
        return
    if challenger is None or target_policy is not None:
        raise typer.BadParameter(
            "name a registered version with --challenger, or a log with propensities with --logged "
            "(--target-policy goes with the log)"
        )
    from flows.commands import replay as command

    command(
        challenger,
        champion,
        start=_moment(start),
        end=_moment(end),
        profile=profile,
        mode=mode,
        filter_seen=filter_seen,
    )


@app.command()
def promote(
    version: Annotated[str, typer.Option(help="the version to make champion")],
    reason: Annotated[str, typer.Option(help="why; written to the ledger")],
    expect_champion: Annotated[
        str | None,
        typer.Option(help="refuse unless this version is champion now; 'none' for an empty registry"),
    ] = None,
    force: Annotated[bool, typer.Option(help="promote against the verdict; the ledger says so")] = False,
) -> None:
    """Move `champion` to a version whose verdict is PROMOTE, or that a reviewer approved."""
    from flows.commands import promote as command

    command(version, expect_champion=expect_champion, reason=reason, force=force)


@app.command()
def rollback(reason: Annotated[str, typer.Option(help="why; written to the ledger")]) -> None:
    """Bring the previous champion back, its tokenizer and ID table included."""
    from flows.commands import rollback as command

    command(reason=reason)


@app.command()
def recommend(
    user: Annotated[str, typer.Option("--user", "-u", help="user id, as in the source")],
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="how many")] = 10,
    max_age_days: Annotated[
        float | None, typer.Option(help="refuse features older than this; default: flag, never refuse")
    ] = None,
) -> None:
    """What the champion would show this user next, by title."""
    from flows.commands import recommend as command

    command(user, k=k, max_age_days=max_age_days)


@app.command()
def status() -> None:
    """Champion, challenger, last cycles, freshness, quarantine."""
    from flows.status import show

    show()


@app.command()
def ui() -> None:
    """Open the real UIs (Prefect, MLflow, Data Docs, replay reports) on what is there; Ctrl-C stops them."""
    from flows.servers import serve_ui
    from flows.settings import load_settings

    serve_ui(load_settings())


@app.command()
def doctor() -> None:
    """Check versions, ports, disk, databases and leases, and say how to mend each."""
    from flows.doctor import report

    raise typer.Exit(0 if report() else 1)


def _moment(text: str | None) -> datetime | None:
    """An ISO 8601 moment with its zone; refuses a naive one, since guessing a zone moves events."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not an ISO 8601 moment, such as 1998-04-01T00:00Z") from error
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone; write {text}Z if it is UTC")
    return moment


def main() -> None:
    """The console script: known failures become one message and exit code 1."""
    try:
        app()
    except Exception as error:
        if not _is_known(error):
            raise
        from flows.console import error_panel

        error_panel(error)
        sys.exit(1)


def _is_known(error: Exception) -> bool:
    """Whether the error was raised for a person: one of recloop's own exception classes."""
    return type(error).__module__.split(".")[0] in {"components", "flows"}


if __name__ == "__main__":
    main()
