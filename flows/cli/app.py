"""`recloop`: every stage of the loop from the terminal.

Imports of engines stand inside the commands, so that `--help` answers at once. A known failure prints one
message that names the thing and the fix, and exits with 1; anything else keeps its traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.main import get_command_from_info, get_group_from_info
from typer.models import CommandInfo, TyperInfo

from flows.cli import (
    approvals,
    backfill,
    backup,
    demo,
    deploy,
    doctor,
    erase,
    experiment,
    explain,
    history,
    ingest,
    init,
    lineage,
    monitor,
    plan,
    promote,
    prune,
    quarantine,
    recommend,
    reconcile,
    replay,
    restore,
    retrain,
    rollback,
    score,
    serve,
    status,
    ui,
    validate,
    verdict,
    verify,
    worker,
)
from flows.cli.cycle_options import taking_request
from flows.cli.deferred import Deferred, group_of
from flows.cli.prepared import Prepared, Staying, be_verbose, is_verbose

EXIT_CODES = """\
Exit codes: 0 done, whatever the verdict; 1 refused, failed, or something differs (the message says what and how to
fix it); 2 the command line cannot be read; 3 `monitor` found drift; 130 Ctrl-C; 143 told to end."""
_MARKUP: Literal["markdown"] = "markdown"
_OF_A_WINDOW = ("since", "as_of", "train_cutoff", "challenger")  # which the back-test says itself
_TAKING_REQUEST: dict[Callable[..., None], tuple[str, ...]] = {
    plan.plan: (),
    retrain.retrain: (),
    backfill.backfill: _OF_A_WINDOW,
}
_STAYING = (approvals.approvals, serve.serve, ui.ui, worker.worker)
_COMMANDS: tuple[Callable[..., None], ...] = (
    demo.demo,
    init.init,
    ingest.ingest,
    validate.validate,
    plan.plan,
    retrain.retrain,
    monitor.monitor,
    replay.replay,
    backfill.backfill,
    promote.promote,
    approvals.approvals,
    rollback.rollback,
    reconcile.reconcile,
    history.history,
    lineage.lineage,
    explain.explain,
    verify.verify,
    recommend.recommend,
    score.score,
    serve.serve,
    status.status,
    verdict.verdict,
    ui.ui,
    deploy.deploy,
    worker.worker,
    doctor.doctor,
    erase.erase,
    backup.backup,
    restore.restore,
    prune.prune,
)
_GROUPS = {"quarantine": quarantine.app, "experiment": experiment.app}


def _command(function: Callable[..., None]) -> Deferred:
    def make() -> Any:
        takes = _TAKING_REQUEST.get(function)
        callback = function if takes is None else taking_request(function, without=takes)
        kind = Staying if function in _STAYING else Prepared
        return get_command_from_info(
            CommandInfo(cls=kind, callback=callback), pretty_exceptions_short=True, rich_markup_mode=_MARKUP
        )

    return Deferred(name=function.__name__, help=function.__doc__ or "", make=make)


def _group(name: str, of: typer.Typer) -> Deferred:
    def make() -> Any:
        info = TyperInfo(of, name=name)
        return get_group_from_info(
            info, pretty_exceptions_short=True, rich_markup_mode=_MARKUP, suggest_commands=True
        )

    return Deferred(name=name, help=str(of.info.help), make=make)


_ALL = (*map(_command, _COMMANDS), *(_group(name, of) for name, of in _GROUPS.items()))
app = typer.Typer(
    name="recloop",
    cls=group_of(_ALL),
    help="A retraining loop for generative recommenders: validate, train, replay, promote.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=_MARKUP,
    pretty_exceptions_enable=False,
)


@app.callback()
def _main(
    home: Annotated[
        Path | None, typer.Option(help="folder of all state", envvar="RECLOOP_HOME", show_default=".recloop")
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="show the engines' own logs and warnings, and where a failure came from"
        ),
    ] = False,
) -> None:
    if home is not None:
        os.environ["RECLOOP_HOME"] = str(home)
    if verbose:
        be_verbose()


def main() -> None:
    """The console script: known failures become one message and exit code 1."""
    try:
        app()
    except Exception as error:
        from flows.cli.disk_refusal import disk_refusal

        told = error if _is_known(error) else disk_refusal(error)
        if told is None:
            raise
        from flows.local.console import error_message

        if is_verbose():
            traceback.print_exc()
        error_message(told)
        sys.exit(1)


def _is_known(error: Exception) -> bool:
    """Whether the error was raised for a person: one of recloop's own exception classes."""
    return type(error).__module__.split(".")[0] in {"components", "flows"}
