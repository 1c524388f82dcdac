"""`mlflow server`, which answers to its own names and pages only (see `own_pages`). Run by path, with its arguments.

MLflow takes no application of its caller's but by an entry point of an installed package; so the command that it makes
for uvicorn is given another one: its own, behind the check. And it makes a process for that command, which would load
all of MLflow a second time, for 3 CPU seconds and 250 MB; with one worker uvicorn does its work in the process that
calls it, so here it is this one.

A database that is not there yet is made here as well. It is made aside and moved into place: a server killed while it
makes its own leaves one on which no MLflow starts again (seen with 3.17.2, killed after 7 s).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from runpy import run_module
from tempfile import mkdtemp
from typing import Any, NoReturn

_SQLITE, _ASIDE = "sqlite:///", ".mlflow-new-"
_CHECKOUT = Path(__file__).resolve().parents[2]


def guarded() -> Any:
    """What uvicorn serves."""
    from mlflow.server import app as pages
    from mlflow.server import security

    security.init_security_middleware(
        pages
    )  # which MLflow does where it is loaded by a server, and here is not
    from mlflow.server.fastapi_app import app

    from components.own_pages import OwnPagesOnly

    return OwnPagesOnly(app)


def made(database: Path) -> None:
    """An empty registry at this path, whole or not at all; one that is there stays as it is."""
    if database.exists():
        return
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine_with_retry

    for left in database.parent.glob(
        f"{_ASIDE}*"
    ):  # by one that was killed: servers of a home start one at a time
        shutil.rmtree(left, ignore_errors=True)
    aside = Path(mkdtemp(prefix=_ASIDE, dir=database.parent))
    engine = create_sqlalchemy_engine_with_retry(f"{_SQLITE}{aside / database.name}")
    _initialize_tables(engine)
    engine.dispose()
    os.replace(aside / database.name, database)
    aside.rmdir()


def main() -> None:
    """`mlflow` with the arguments of this process."""
    for option, value in zip(sys.argv, sys.argv[1:], strict=False):
        if option == "--backend-store-uri" and value.startswith(_SQLITE):
            made(Path(value.removeprefix(_SQLITE)))
    import mlflow.server
    from mlflow.cli import cli

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
        sys.argv = cmd[cmd.index("uvicorn") :]
        run_module("uvicorn", run_name="__main__")  # python -m uvicorn, which ends by an exit
        raise AssertionError("uvicorn came back")

    mlflow.server._build_uvicorn_command = command
    mlflow.server._exec_cmd = serve
    cli()


if __name__ == "__main__":
    main()
