"""`recloop` with its engines loaded once: every line on stdin is a run, done by a fork of this process.

Importing Prefect, MLflow, Feast, Great Expectations and torch takes longer than most stages. A test that kills
thirty runs pays for it once; each run is still a process of its own, with its own death.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Loaded:
    """The near end of the pipe to such a process."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def recloop(self, arguments: Sequence[str], *, crash_at: str) -> tuple[int, str]:
        """Run a command with a crash point armed; its exit code (negative: of a signal) and what it printed."""
        order = {"arguments": list(arguments), "crash_at": crash_at, "log": str(self._log)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline()), self._log.read_text()


@contextmanager
def loaded_recloop(environ: Mapping[str, str], log: Path) -> Iterator[Loaded]:
    """`environ` is what the engines find when they are loaded, so it holds for every run."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.flows.loaded"],
        cwd=ROOT,
        env=dict(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Loaded(process, log)
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    from flows.stage_code import code_of

    for engines in (
        "flows.cycle",
        "components.data.contracts.expectations",
        "components.data.contracts.validation",
    ):
        importlib.import_module(engines)
    code_of("flows.cycle", "retraining_cycle")  # reads every file that a key covers
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(order["arguments"], order["crash_at"], order["log"])
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(arguments: list[str], crash_at: str, log: str) -> None:
    from flows.cli.app import main

    with open(log, "w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ["CRASH_AT"] = crash_at
    sys.argv = ["recloop", *arguments]
    try:
        main()
    finally:
        sys.stdout.flush()
        os._exit(1)  # whoever comes here has not died as it should


if __name__ == "__main__":
    _serve()
