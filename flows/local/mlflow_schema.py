"""MLflow's own database, brought to the schema of the installed MLflow before any client comes."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from flows.local.engine_servers import mlflow_database, python
from flows.local.server import LocalServer, last_lines
from flows.settings import Settings


class ServerFailed(Exception):
    """A server ended, or did not answer in time; shows the end of its log."""


def prepare_mlflow_database(settings: Settings, server: LocalServer) -> None:
    """Upgrade the database if another MLflow wrote it, make it if there is none. Raises ServerFailed.

    A new one is made aside and moved into place: a server killed while it makes its own leaves one on which
    no MLflow starts again (seen with 3.17.2, killed after 7 s).
    """
    database, stamp = mlflow_database(settings), _schema_stamp(settings)
    if not database.exists():
        aside = settings.home / ".mlflow-new"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        _upgrade(aside / database.name, server)
        os.replace(aside / database.name, database)
        aside.rmdir()
    elif not stamp.exists() or stamp.read_text() != version("mlflow"):
        _upgrade(database, server)


def stamp_mlflow_database(settings: Settings) -> None:
    """Note that this MLflow has answered on the database: it need not be upgraded again."""
    _schema_stamp(settings).write_text(version("mlflow"))


def _upgrade(database: Path, server: LocalServer) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        python("mlflow", "db", "upgrade", f"sqlite:///{database}"),
        env=server.environ,
        cwd=database.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServerFailed(
            f"MLflow could not bring {database} to its own schema:\n{last_lines(done.stderr)}\n"
            "Move the file away to begin with an empty registry, or install the MLflow that wrote it."
        )


def _schema_stamp(settings: Settings) -> Path:
    return settings.home / "mlflow.db.version"
