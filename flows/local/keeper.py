"""The keeper: a small process that holds a home's servers up for as long as anybody uses them.

It starts the servers it is told of, starts one anew that ends though it had been well, and stops them all
when the last user has left or died. The servers end with the keeper even if it is killed (Linux), so nothing
is left behind.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from flows.local.process import spawn, stop_groups, write_record
from flows.local.server import LocalServer, healthy, python
from flows.local.users import in_use

_POLL_SECONDS = 0.5
_RESTARTS = 3  # of one server, in a keeper's life: one that keeps dying has a reason


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What a keeper is told: its servers, the folder they run in, and where users sign in."""

    servers: tuple[LocalServer, ...]
    folder: Path
    users: Path

    @property
    def command(self) -> tuple[str, ...]:
        """The command line of a keeper of these; nothing secret is on it."""
        return python("flows.local.keeper", TypeAdapter(Keeping).dump_json(self).decode())


@dataclass
class _Kept:
    """A server and the process that runs it now."""

    server: LocalServer
    process: subprocess.Popen[bytes]
    was_well: bool = False
    restarts: int = 0


def keep(keeping: Keeping, done: threading.Event) -> int:
    """Hold the servers up until `done` is set or nobody uses them. Returns the exit code: 1 if one failed."""
    kept: list[_Kept] = []
    try:
        for server in keeping.servers:
            server.log.unlink(missing_ok=True)
            kept.append(_Kept(server=server, process=_start(server, keeping.folder)))
        while not done.wait(_POLL_SECONDS):
            if not in_use(keeping.users):
                return 0
            if not all(_is_up(one, keeping.folder) for one in kept):
                return 1
        return 0
    finally:
        _stop(kept)


def _start(server: LocalServer, folder: Path) -> subprocess.Popen[bytes]:
    process = spawn(server.command, environ=server.environ, folder=folder, log=server.log)
    write_record(server.record, process.pid, port=server.port)
    return process


def _is_up(one: _Kept, folder: Path) -> bool:
    """Whether the server runs, started anew if need be; False for one that ends before it was ever well."""
    code = one.process.poll()
    if code is None:
        one.was_well = one.was_well or healthy(one.server.health)
        return True
    with one.server.log.open("a") as log:
        print(f"{one.server.title} ended with code {code} at {time.strftime('%H:%M:%S')}", file=log)
    stop_groups([one.process.pid])  # children that outlived it
    if not one.was_well or one.restarts == _RESTARTS:
        return False
    one.restarts += 1
    one.process = _start(one.server, folder)
    return True


def _stop(kept: Iterable[_Kept]) -> None:
    kept = list(kept)
    stop_groups([one.process.pid for one in kept])
    for one in kept:
        one.process.wait()
        one.server.record.unlink(missing_ok=True)


def main() -> None:
    """Run a keeper of what the one argument tells."""
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: done.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever uses the servers
    sys.exit(keep(TypeAdapter(Keeping).validate_json(sys.argv[1]), done))


if __name__ == "__main__":
    main()
