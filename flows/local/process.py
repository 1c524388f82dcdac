"""A background process that recloop started: known again by a record of its id, stopped with its whole group.

The record names the process id and the moment the process was made, since ids are used again.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_STOP_SECONDS = 10.0
_SAME_START_SECONDS = 2.0  # a start is told relative to the boot, and the clock may be set meanwhile


class PortInUse(Exception):
    """Something else listens where a server should; names it, and the variable that moves the server."""

    def __init__(self, title: str, port: int, variable: str) -> None:
        super().__init__(
            f"port {port}, meant for {title}, is in use by {who_listens(port)}. "
            f"End that, or choose another port: {variable}={port + 1}"
        )


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What is written down of a process: a server leads a process group of its own, of the same id."""

    pid: int
    created: float  # epoch seconds, as the operating system tells it
    port: int = 0  # that it listens on; 0: none

    @property
    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _SAME_START_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def spawn(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    folder: Path,
    log: Path,
    ends_with_parent: bool = True,
    ends_by: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a process in its own group, its output appended to `log`.

    With `ends_with_parent`, on Linux, it is told to end when the thread that calls this dies, so a killed
    parent leaks nothing: call it from a thread that lives as long as the process should. `ends_by` is how it is
    told: a process that takes its time over SIGTERM needs SIGKILL.
    """
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - a command of our own
            command,
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent(ends_by) if ends_with_parent else None,
        )


def write_record(path: Path, pid: int, *, port: int = 0) -> None:
    """Write down a running process, whole or not at all."""
    recorded = Recorded(pid=pid, created=psutil.Process(pid).create_time(), port=port)
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(asdict(recorded)))
    os.replace(aside, path)


def read_record(path: Path) -> Recorded | None:
    """The record at `path`; None if there is none, or none that can be read."""
    try:
        return Recorded(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def stop_groups(pids: Sequence[int], *, patience_seconds: float = _STOP_SECONDS) -> None:
    """End these process groups together and wait until they are gone: SIGTERM first, SIGKILL after that long."""
    for kind, patience in ((signal.SIGTERM, patience_seconds), (signal.SIGKILL, _STOP_SECONDS)):
        pids = [pid for pid in pids if _signalled(pid, kind)]
        deadline = time.monotonic() + patience
        while (pids := [pid for pid in pids if group_members(pid)]) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not pids:
            return


def _signalled(pid: int, kind: signal.Signals) -> bool:
    """Send a signal to a group; False if there is none any more."""
    try:
        os.killpg(pid, kind)
    except (ProcessLookupError, PermissionError):  # macOS: a group of zombies refuses
        return False
    return True


def group_members(pid: int) -> list[psutil.Process]:
    """The living processes of a group."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return members


def port_taken(host: str, port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, port)) == 0


def who_listens(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr.port == port
                and connection.pid is not None
            ):
                command = " ".join(psutil.Process(connection.pid).cmdline())
                return f"process {connection.pid} ({command[:160]})"
    except psutil.Error:  # macOS tells this to root only
        pass
    return "another program"


def _end_with_parent(by: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # loaded here: nothing may be loaded between fork and exec
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, by)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask
