"""`recloop`: every stage of the loop from the terminal.

Imports of engines stand inside the commands, so that `--help` answers at once. A known failure prints one
message that names the thing and the fix, and exits with 1; anything else keeps its traceback.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

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

app = typer.Typer(
    name="recloop",
    help="A retraining loop for generative recommenders: validate, train, replay, promote.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
_OF_A_WINDOW = ("since", "as_of", "train_cutoff", "challenger")  # which the back-test says itself
for command in (
    demo.demo,
    init.init,
    ingest.ingest,
    validate.validate,
    taking_request(plan.plan),
    taking_request(retrain.retrain),
    monitor.monitor,
    replay.replay,
    taking_request(backfill.backfill, without=_OF_A_WINDOW),
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
):
    app.command()(command)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(experiment.app, name="experiment")


@app.callback()
def _main(
    home: Annotated[
        Path | None, typer.Option(help="folder of all state", envvar="RECLOOP_HOME", show_default=".recloop")
    ] = None,
) -> None:
    from flows.engine_environment import apply_environment
    from flows.settings import load_settings

    if home is not None:
        os.environ["RECLOOP_HOME"] = str(home)
    apply_environment(load_settings())
    # what the engines warn each other's authors of is nothing that a user can fix
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", DeprecationWarning)
    # a failure reaches the terminal once, as itself; how it went through Prefect is told in Prefect's UI
    for runs in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(runs).propagate = False


def main() -> None:
    """The console script: known failures become one message and exit code 1."""
    try:
        app()
    except Exception as error:
        if not _is_known(error):
            raise
        from flows.local.console import error_panel

        error_panel(error)
        sys.exit(1)


def _is_known(error: Exception) -> bool:
    """Whether the error was raised for a person: one of recloop's own exception classes."""
    return type(error).__module__.split(".")[0] in {"components", "flows"}
