"""What happens before every command, once its words are understood: settings, the engines' environment, the line of
a silent command. `--help` and a misspelt option reach none of it.
"""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

from typer.core import TyperCommand

_is_verbose = False
_TALKATIVE = {  # what -v sets, unless the environment says something else
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
    "MLFLOW_LOGGING_LEVEL": "INFO",
}


class Prepared(TyperCommand):
    """A command that ends by itself."""

    stays = False

    def invoke(self, ctx: Any) -> Any:
        from flows.local.waiting_line import waiting_line

        with waiting_line(ctx.command_path, returns=not self.stays):
            prepare()
            return super().invoke(ctx)


class Staying(Prepared):
    """A command that ends when it is told to: once it has spoken, its silence means that all is well."""

    stays = True


def be_verbose() -> None:
    """Let the engines' own lines through, and a known failure keep its traceback."""
    global _is_verbose
    _is_verbose = True
    for name, level in _TALKATIVE.items():
        os.environ.setdefault(name, level)


def is_verbose() -> bool:
    return _is_verbose


def prepare() -> None:
    """Tell the engines, which are imported later, where they work and how much to say."""
    from flows.engine_environment import apply_environment
    from flows.settings import load_settings

    apply_environment(load_settings())
    if _is_verbose:
        return
    # what the engines warn each other's authors of is nothing that a user can fix
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", DeprecationWarning)
    # a failure reaches the terminal once, as itself; how it went through Prefect is told in Prefect's UI
    for runs in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(runs).propagate = False
