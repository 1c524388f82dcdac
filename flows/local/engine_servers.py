"""The servers of the engines that recloop runs itself: Prefect's and MLflow's.

Both listen on 127.0.0.1 only, answer to no other host name and to no foreign page, and keep their state under `home`.
An address that points elsewhere (`MLFLOW_TRACKING_URI`, `PREFECT_API_URL`) is somebody else's server, and left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from flows.engine_environment import engine_environment
from flows.local.server import LocalServer
from flows.settings import LOOPBACK, Settings

_CHECKOUT = Path(__file__).resolve().parents[2]


def local_servers(settings: Settings) -> list[LocalServer]:
    """The servers that these settings ask recloop to run itself."""
    servers = []
    if settings.prefect_is_local:
        servers.append(_prefect(settings))
    if settings.mlflow_is_local:
        servers.append(_mlflow(settings))
    return servers


def run_folder(settings: Settings) -> Path:
    """Where the records of running processes lie."""
    return settings.home / "run"


def mlflow_database(settings: Settings) -> Path:
    return settings.home / "mlflow.db"


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module with this interpreter."""
    return (sys.executable, "-m", module, *arguments)


def _prefect(settings: Settings) -> LocalServer:
    origins = f"http://{LOOPBACK}:{settings.prefect_port},http://localhost:{settings.prefect_port}"
    return LocalServer(
        name="prefect",
        title="Prefect",
        port=settings.prefect_port,
        port_variable="RECLOOP_PREFECT_PORT",
        health=f"http://{LOOPBACK}:{settings.prefect_port}/api/health",
        # it migrates its own database before it answers, and goes on where a killed one stopped
        command=(
            *(sys.executable, "-P", "-m", "uvicorn", "--factory", "flows.local.own_prefect:guarded"),
            *("--app-dir", str(_CHECKOUT), "--no-access-log"),
            *("--host", LOOPBACK, "--port", str(settings.prefect_port)),
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
        command=(
            *(sys.executable, "-P", str(_CHECKOUT / "components" / "registry" / "own_server.py"), "server"),
            *("--host", LOOPBACK, "--port", str(settings.mlflow_port), "--workers", "1"),
            *_mlflow_state(settings),
            "--serve-artifacts",
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


def _mlflow_state(settings: Settings) -> Iterator[str]:
    """Flags for what lies under `home`. What is set comes by environment: it may hold a password."""
    if settings.mlflow_backend_url is None:
        yield from ("--backend-store-uri", f"sqlite:///{mlflow_database(settings)}")
    if settings.mlflow_artifacts_url is None:
        yield from ("--artifacts-destination", str(settings.home / "mlartifacts"))
