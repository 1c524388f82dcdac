"""A worker of Prefect on this machine: every run a process of its own, with the settings of this home."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from flows.engine_environment import engine_environment
from flows.local.process import spawn, stop_groups
from flows.settings import Settings

_CHECKOUT = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 30.0
HEARTBEAT_SECONDS = 30  # between two signs of life of a run


def become_worker(settings: Settings) -> NoReturn:
    """Put Prefect's worker in the place of this process: its log on stdout, its health check on, its pool made.

    For containers: whatever started this process speaks to the worker itself. Servers must run elsewhere.
    """
    command = [*_command(settings), "--type", settings.work_pool_type, "--with-healthcheck"]
    os.chdir(_CHECKOUT)
    os.execve(command[0], command, _environ(settings))  # noqa: S606 - this interpreter, and arguments of ours


def _command(settings: Settings) -> list[str]:
    return [sys.executable, "-m", "prefect", "worker", "start", "--pool", settings.work_pool]


def _environ(settings: Settings) -> dict[str, str]:
    """What runs find: without it MLflow's client hangs for minutes, and engines tell their makers of every run."""
    heartbeat = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS)}  # see flows.automations
    return os.environ | engine_environment(settings) | heartbeat


@contextmanager
def working(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A worker while the block runs. Leave the block before the server stops: a worker outlives its server."""
    (settings.home / "logs").mkdir(parents=True, exist_ok=True)
    process = spawn(
        _command(settings),
        environ=_environ(settings),
        folder=_CHECKOUT,
        log=settings.home / "logs" / "worker.log",
        ends_by=signal.SIGKILL,  # at SIGTERM it would stay, and go on fetching what is due
    )
    try:
        yield process
    finally:
        stop_groups([process.pid], patience_seconds=_STOP_SECONDS)
        process.wait()
