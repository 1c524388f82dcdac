"""MLflow's own database, brought to the schema of the installed MLflow before any client comes.

One that is not there yet is made by the server (see `components/registry/own_server.py`).
"""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

from flows.local.engine_servers import mlflow_database, python
from flows.local.server import LocalServer, last_lines
from flows.settings import Settings


class ServerFailed(Exception):
    """A server ended, or did not answer in time; shows the end of its log."""


def prepare_mlflow_database(settings: Settings, server: LocalServer) -> None:
    """Upgrade the database if another MLflow wrote it. Raises ServerFailed."""
    database, stamp = mlflow_database(settings), _schema_stamp(settings)
    if database.exists() and (not stamp.exists() or stamp.read_text() != version("mlflow")):
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
