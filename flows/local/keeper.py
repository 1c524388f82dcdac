"""The keeper: a small process that holds one server of a home up for as long as anybody uses the home.

It starts the server, starts it anew if it ends though it had been well, and stops it when the last user has
left or died. The server ends with the keeper even if that is killed (Linux), so nothing is left behind.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flows.local.process import spawn, stop_groups, write_record
from flows.local.server import LocalServer, healthy
from flows.local.users import in_use

_POLL_SECONDS = 0.5
_RESTARTS = 3  # in a keeper's life: a server that keeps dying has a reason


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What a keeper is told: its server, the folder it runs in, and where users sign in."""

    server: LocalServer
    folder: Path
    users: Path

    @property
    def command(self) -> tuple[str, ...]:
        """The command line of a keeper of this server; nothing secret is on it."""
        told = json.dumps(asdict(self), default=str)
        return (sys.executable, "-m", "flows.local.keeper", told)


def told(text: str) -> Keeping:
    """What a keeper's command line says."""
    fields: Mapping[str, Any] = json.loads(text)
    server = fields["server"]
    paths = {name: Path(server[name]) for name in ("record", "log")}
    tuples = {name: tuple(server[name]) for name in ("command", "without")}
    return Keeping(
        server=LocalServer(**server | paths | tuples),
        folder=Path(fields["folder"]),
        users=Path(fields["users"]),
    )


def keep(keeping: Keeping, done: threading.Event) -> int:
    """Hold the server up until `done` is set or nobody uses it. Returns the exit code: 1 if the server failed."""
    server, was_well, restarts = keeping.server, False, 0
    server.log.unlink(missing_ok=True)
    process = _start(keeping)
    try:
        while not done.wait(_POLL_SECONDS) and in_use(keeping.users):
            if process.poll() is None:
                was_well = was_well or healthy(server.health)
                continue
            with server.log.open("a") as log:
                print(
                    f"{server.title} ended with code {process.returncode} at {time.strftime('%H:%M:%S')}",
                    file=log,
                )
            stop_groups([process.pid])  # children that outlived it
            if not was_well or restarts == _RESTARTS:
                return 1
            restarts += 1
            process = _start(keeping)
        return 0
    finally:
        stop_groups([process.pid])
        process.wait()
        server.record.unlink(missing_ok=True)


def _start(keeping: Keeping) -> subprocess.Popen[bytes]:
    server = keeping.server
    process = spawn(server.command, environ=server.environ, folder=keeping.folder, log=server.log)
    write_record(server.record, process.pid, port=server.port)
    return process


def main() -> None:
    """Run a keeper of what the one argument tells."""
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: done.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever uses the servers
    sys.exit(keep(told(sys.argv[1]), done))


if __name__ == "__main__":
    main()
