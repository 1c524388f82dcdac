"""`recloop`: every stage of the loop from the terminal.

Imports of engines stand inside the commands, so that `--help` answers at once. A known failure prints one
message that names the thing and the fix, and exits with 1; anything else keeps its traceback.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command_from_info, get_group_from_info
from typer.models import CommandInfo, TyperInfo

from flows.cli.deferred import Deferred, Listing, group_of
from flows.cli.listing import COMMANDS, GROUPS, STAYING, TAKING_REQUEST
from flows.cli.prepared import Prepared, Staying, be_verbose, is_verbose

EXIT_CODES = """\
Exit codes: 0 done, whatever the verdict; 1 refused, failed, or something differs (the message says what and how to
fix it); 2 the command line cannot be read; 3 `monitor` found drift; 130 Ctrl-C; 143 told to end."""
# Click's own help in place of Rich's panels: on 80 columns those leave a sixth of a line to what an option means,
# and cut long options off; and Rich is two thirds of what `--help` costs
_PLAIN = None
# Young generations are collected as ever, the whole heap a tenth as often. What engines leave as they are imported is
# half a million objects that stay, and going through them all seven times was a seventh of what an import costs
_COLLECTED_AFTER = (700, 10, 100)
_WIDTH = {"max_content_width": 100}


def _command(name: str, says: str) -> Deferred:
    """The function of this name in the module of this name."""

    def make() -> Any:
        function = getattr(import_module(f"flows.cli.{name}"), name)
        if name in TAKING_REQUEST:
            from flows.cli.cycle_options import taking_request

            function = taking_request(function, without=TAKING_REQUEST[name])
        kind = Staying if name in STAYING else Prepared
        return get_command_from_info(
            CommandInfo(cls=kind, callback=function, context_settings=_WIDTH),
            pretty_exceptions_short=True,
            rich_markup_mode=_PLAIN,
        )

    return Deferred(name=name, help=says, make=make)


def _group(name: str, says: str) -> Deferred:
    """The commands under `app` in the module of this name."""

    def make() -> Any:
        info = TyperInfo(import_module(f"flows.cli.{name}").app, name=name, cls=Listing)
        return get_group_from_info(
            info, pretty_exceptions_short=True, rich_markup_mode=_PLAIN, suggest_commands=True
        )

    return Deferred(name=name, help=says, make=make)


_ALL = (
    *(_command(name, says) for name, says in COMMANDS.items()),
    *(_group(name, says) for name, says in GROUPS.items()),
)
app = typer.Typer(
    name="recloop",
    cls=group_of(_ALL),
    help="A retraining loop for generative recommenders: validate, train, replay, promote.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=_PLAIN,
    context_settings=_WIDTH,
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
    gc.set_threshold(*_COLLECTED_AFTER)
    try:
        app()
    except Exception as error:
        from flows.cli.disk_refusal import disk_refusal
        from flows.cli.prefect_refusal import prefect_refusal

        told = error if _is_known(error) else disk_refusal(error) or prefect_refusal(error)
        if told is None:
            raise
        from flows.local.console import error_message

        if is_verbose():
            import traceback

            traceback.print_exc()
        error_message(told)
        sys.exit(1)


def _is_known(error: Exception) -> bool:
    """Whether the error was raised for a person: one of recloop's own exception classes."""
    return type(error).__module__.split(".")[0] in {"components", "flows"}
