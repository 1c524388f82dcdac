"""A worker of Prefect on this machine: every run a process of its own, with the settings of this home."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.engine_environment import engine_environment
from flows.local.process import spawn, stop_groups
from flows.settings import Settings

_CHECKOUT = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 30.0
HEARTBEAT_SECONDS = 30  # between two signs of life of a run


@contextmanager
def working(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """A worker while the block runs. Leave the block before the server stops: a worker outlives its server."""
    (settings.home / "logs").mkdir(parents=True, exist_ok=True)
    process = spawn(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", settings.work_pool],
        environ=os.environ
        | engine_environment(settings)
        | {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS)},  # see flows.automations
        folder=_CHECKOUT,
        log=settings.home / "logs" / "worker.log",
        ends_by=signal.SIGKILL,  # at SIGTERM it would stay, and go on fetching what is due
    )
    try:
        yield process
    finally:
        stop_groups([process.pid], patience_seconds=_STOP_SECONDS)
        process.wait()
