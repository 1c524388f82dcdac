"""What a command costs before it answers: CPU seconds of the process and its children, the least of several runs.

On a home that `recloop demo --small` makes; RECLOOP_BENCH_HOME names another that is finished, and saves a minute.
Servers are down, as they mostly are when a person asks.
"""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.surroundings import CHECKOUT, single_thread

RUNS = 5
_HOME = "RECLOOP_BENCH_HOME"


def terminal() -> dict[str, float]:
    """Command → CPU seconds, Python's own start among them as `python`."""
    with _finished() as home:
        user = _somebody(home)
        asked = {
            "--help": ("--help",),
            "status --help": ("status", "--help"),
            "status": ("status",),
            "status --json": ("status", "--json"),
            "verdict": ("verdict",),
            "history": ("history",),
            "recommend, unknown user": ("recommend", "--user", "nobody at all"),
            "recommend --history": ("recommend", "--history", _something(home)),
            "recommend --user": ("recommend", "--user", user),
        }
        recloop = (sys.executable, "-m", "flows.cli", "--home", str(home))
        return {
            "python": _least((sys.executable, "-c", "pass")),
            **{name: _least((*recloop, *arguments)) for name, arguments in asked.items()},
        }


@contextmanager
def _finished() -> Iterator[Path]:
    """A home in which a cycle has ended."""
    if given := os.environ.get(_HOME):
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="recloop-bench-") as folder:
        command = (sys.executable, "-m", "flows.cli", "--home", folder, "demo", "--small")
        subprocess.run(command, cwd=CHECKOUT, env=single_thread(), stdout=subprocess.DEVNULL, check=True)
        yield Path(folder) / "synthetic-small"


def _least(command: tuple[str, ...]) -> float:
    return min(_cpu_seconds(command) for _ in range(RUNS))


def _cpu_seconds(command: tuple[str, ...]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=CHECKOUT, env=single_thread(), capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _somebody(home: Path) -> str:
    return _first(home, "SELECT user_id FROM events LIMIT 1")


def _something(home: Path) -> str:
    return _first(home, "SELECT item_id FROM items LIMIT 1")


def _first(home: Path, query: str) -> str:
    with sqlite3.connect(home / "warehouse.db") as database:
        return str(database.execute(query).fetchone()[0])
