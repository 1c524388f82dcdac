"""How each local server is started, and how it is known to be well: Prefect's and MLflow's.

Both listen on 127.0.0.1 only, answer to no other host name, and keep their state under `home`. An address
that points elsewhere (`MLFLOW_TRACKING_URI`, `PREFECT_API_URL`) is somebody else's server, and left alone.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.settings import LOOPBACK, Settings, engine_environment

_LOG_TAIL_LINES = 15


@dataclass(frozen=True, kw_only=True)
class LocalServer:
    """One server of a home: its command, its port, and the address that tells whether it is well."""

    name: str
    title: str
    port: int
    port_variable: str
    health: str  # URL that answers 200
    command: tuple[str, ...]
    variables: Mapping[str, str]  # beside those of the process that starts it
    without: tuple[str, ...] = ()  # variables that it must not find
    record: Path  # of the process that runs it
    log: Path

    @property
    def environ(self) -> dict[str, str]:
        everything = os.environ | dict(self.variables)
        return {name: value for name, value in everything.items() if name not in self.without}

    @property
    def log_tail(self) -> str:
        """The end of its log, for a message."""
        return f"The end of {self.log}:\n{last_lines(self.log.read_text(errors='replace'))}"


def local_servers(settings: Settings) -> list[LocalServer]:
    """The servers that these settings ask recloop to run itself."""
    servers = []
    if settings.prefect_is_local:
        servers.append(_prefect(settings))
    if settings.mlflow_is_local:
        servers.append(_mlflow(settings))
    return servers


def healthy(url: str) -> bool:
    """Whether this address answers 200 within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def run_folder(settings: Settings) -> Path:
    """Where the records of running processes lie."""
    return settings.home / "run"


def mlflow_database(settings: Settings) -> Path:
    return settings.home / "mlflow.db"


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module with this interpreter."""
    return (sys.executable, "-m", module, *arguments)


def last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-_LOG_TAIL_LINES:])


def _prefect(settings: Settings) -> LocalServer:
    origins = f"http://{LOOPBACK}:{settings.prefect_port},http://localhost:{settings.prefect_port}"
    return LocalServer(
        name="prefect",
        title="Prefect",
        port=settings.prefect_port,
        port_variable="RECLOOP_PREFECT_PORT",
        health=f"http://{LOOPBACK}:{settings.prefect_port}/api/health",
        # it migrates its own database before it answers, and goes on where a killed one stopped
        command=python(
            "prefect", "server", "start", "--host", LOOPBACK, "--port", str(settings.prefect_port)
        ),
        variables=engine_environment(settings)
        | {
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins,
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        },
        record=run_folder(settings) / "prefect.json",
        log=settings.home / "logs" / "prefect.log",
    )


def _mlflow(settings: Settings) -> LocalServer:
    names = [f"{LOOPBACK}:{settings.mlflow_port}", f"localhost:{settings.mlflow_port}"]
    return LocalServer(
        name="mlflow",
        title="MLflow",
        port=settings.mlflow_port,
        port_variable="RECLOOP_MLFLOW_PORT",
        health=f"http://{LOOPBACK}:{settings.mlflow_port}/health",
        command=python(
            *("mlflow", "server", "--host", LOOPBACK, "--port", str(settings.mlflow_port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{mlflow_database(settings)}"),
            *("--artifacts-destination", str(settings.home / "mlartifacts"), "--serve-artifacts"),
            *("--allowed-hosts", ",".join(names)),
            *("--cors-allowed-origins", ",".join(f"http://{name}" for name in names)),
        ),
        # a model version comes from this server's artifacts, never from a path its caller names
        variables=engine_environment(settings)
        | {"MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": "^(mlflow-artifacts|models|runs):/"},
        without=("MLFLOW_TRACKING_URI",),  # the server is not its own client
        record=run_folder(settings) / "mlflow.json",
        log=settings.home / "logs" / "mlflow.log",
    )
