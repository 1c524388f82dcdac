"""A real MLflow server of its own, configured as recloop runs it, that a test may kill and start again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from components.registry.webhook_server import server_environment

START_SECONDS = 120.0
ENCRYPTION_KEY = "dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtMTI="  # 32 bytes, of tests only


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


ROOT = Path(__file__).resolve().parents[2]
ADMIN, ADMIN_PASSWORD = "the-admin", "admin-password-1"


@contextmanager
def mlflow_server(
    folder: Path, *, port: int | None = None, options: tuple[str, ...] = (), **more: str
) -> Iterator[str]:
    """The address of a server over `folder`; started again over the same one, it knows what it knew.

    `more` stands in its environment.
    """
    port = port or free_port()
    arguments = [
        *("server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts"),
        *options,
    ]
    environ = os.environ | server_environment(ENCRYPTION_KEY)
    environ |= {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": "^(mlflow-artifacts|models|runs):/",
    }
    environ.pop("MLFLOW_TRACKING_URI", None)
    environ |= more
    with started([sys.executable, "-m", "mlflow", *arguments], folder, environ) as child:
        await_answer(f"http://127.0.0.1:{port}/health", child, folder / "process.log")
        yield f"http://127.0.0.1:{port}"


@contextmanager
def mlflow_with_accounts(folder: Path, *, promoters: str) -> Iterator[str]:
    """A server with the logins of production, infra/mlflow/basic_auth.ini, but for the place of their database."""
    shipped = (ROOT / "infra" / "mlflow" / "basic_auth.ini").read_text()
    settings = folder / "basic_auth.ini"
    settings.write_text(shipped.replace("/var/lib/mlflow/", f"{folder}/"))
    assert settings.read_text() != shipped
    with mlflow_server(
        folder,
        options=("--app-name", "basic-auth"),
        MLFLOW_AUTH_CONFIG_PATH=str(settings),
        MLFLOW_AUTH_ADMIN_USERNAME=ADMIN,
        MLFLOW_AUTH_ADMIN_PASSWORD=ADMIN_PASSWORD,
        MLFLOW_FLASK_SERVER_SECRET_KEY="of-tests-only",
        RECLOOP_PROMOTERS=promoters,
        PYTHONPATH=str(ROOT),
    ) as url:
        yield url


@contextmanager
def started(command: list[str], folder: Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process in `folder`, killed with its children at the end; it writes process.log there."""
    with (folder / "process.log").open("ab") as log:
        child = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield child
        finally:
            with suppress(ProcessLookupError):  # it ended by itself
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def await_answer(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the process did not answer at {url}:\n{log.read_text()[-4000:]}")


def seconds_until(condition: Callable[[], bool], *, at_most: float) -> float:
    """How long it took to come true. Fails if it never does."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > at_most:
            pytest.fail(f"not true within {at_most} s")
        time.sleep(0.1)
    return time.monotonic() - began
