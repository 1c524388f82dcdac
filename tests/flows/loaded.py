"""`recloop` with its engines loaded once: every line on stdin is a run, done by a fork of this process.

Importing Prefect, MLflow, Feast, Great Expectations and torch takes longer than most stages and commands. A test that
kills thirty runs pays for it once, as does one that looks at a home with twenty commands; each is still a process of
its own, with its own death.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Loaded:
    """The near end of the pipe to such a process."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def recloop(self, arguments: Sequence[str], *, crash_at: str) -> tuple[int, str]:
        """Run a command with a crash point armed; its exit code (negative: of a signal) and what it printed."""
        return self._run(arguments, crash_at, self._log), self._log.read_text()

    def completed(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        errors = self._log.with_suffix(".err")
        code = self._run(arguments, "", errors)
        return subprocess.CompletedProcess(arguments, code, self._log.read_text(), errors.read_text())

    def _run(self, arguments: Sequence[str], crash_at: str, errors: Path) -> int:
        order = {
            "arguments": list(arguments), "crash_at": crash_at, "stdout": str(self._log), "stderr": str(errors),
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for log in (self._log, errors):
            log.write_text("")
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


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
        "prefect.flow_engine",
        "prefect.task_engine",
    ):
        importlib.import_module(engines)
    code_of("flows.cycle", "retraining_cycle")  # reads every file that a key covers
    gc.freeze()  # no run goes through what all of them share, nor copies its pages
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(order)
            return
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(order: Mapping[str, Any]) -> None:
    """The command, in the fork: it ends as the interpreter does, unless it is killed."""
    from flows.cli.app import main

    for stream, path in ((0, os.devnull), (1, order["stdout"]), (2, order["stderr"])):
        opened = os.open(path, os.O_RDWR | os.O_APPEND)
        os.dup2(opened, stream)
        os.close(opened)
    os.environ["CRASH_AT"] = order["crash_at"]
    sys.argv = ["recloop", *order["arguments"]]
    main()


if __name__ == "__main__":
    _serve()
