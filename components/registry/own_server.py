"""`mlflow server`, which answers to its own names and pages only (see `own_pages`). Run by path, with its arguments.

MLflow takes no application of its caller's but by an entry point of an installed package; so the command that it makes
for uvicorn is given another one: its own, behind the check. And it makes a process for that command, which would load
all of MLflow a second time, for 3 CPU seconds and 250 MB; with one worker uvicorn does its work in the process that
calls it, so here it is this one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

_CHECKOUT = Path(__file__).resolve().parents[2]


def guarded() -> Any:
    """What uvicorn serves."""
    from mlflow.server.fastapi_app import app

    from components.own_pages import OwnPagesOnly

    return OwnPagesOnly(app)


def main() -> None:
    """`mlflow` with the arguments of this process."""
    import mlflow.server
    from mlflow.cli import cli
    from uvicorn.main import main as uvicorn

    build = mlflow.server._build_uvicorn_command

    def command(*arguments: Any, **more: Any) -> list[str]:
        *start, app = build(*arguments, **more)
        if app != "mlflow.server.fastapi_app:app":
            raise RuntimeError(
                f"MLflow serves {app}, which is not the application that the check stands before"
            )
        return [*start, "--app-dir", str(_CHECKOUT), "--factory", "components.registry.own_server:guarded"]

    def serve(cmd: Any, *, extra_env: Any = None, **_: Any) -> NoReturn:
        os.environ.update(extra_env or {})
        uvicorn(cmd[cmd.index("uvicorn") + 1 :])  # a command of click: it exits
        raise AssertionError("uvicorn came back")

    mlflow.server._build_uvicorn_command = command
    mlflow.server._exec_cmd = serve
    cli()


if __name__ == "__main__":
    main()
