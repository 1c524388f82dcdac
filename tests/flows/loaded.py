"""`recloop` with its engines loaded once: every line on stdin is a run, done by a fork of this process.

Importing Prefect, MLflow, Feast, Great Expectations and torch takes longer than most stages and commands. The tests
of one worker pay for it once. Each command is still a process of its own, with its own environment and its own death.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from flows.engine_environment import engine_environment
from flows.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 400  # of a command


def outside() -> dict[str, str]:
    """The environment of the tests, without what they were told of recloop and its engines."""
    ours = ("RECLOOP_", "PREFECT_", "MLFLOW_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@cache
def loaded() -> Loaded:
    """The one of this process, which ends with it."""
    return Loaded()


class Loaded:
    """The near end of the pipe to such a process."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="recloop-loaded-")
        nobodys = Settings(home=Path(self._folder.name) / "home")  # engines are loaded before a home is named
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.loaded"], cwd=ROOT,
            env=outside() | engine_environment(nobodys) | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._one_at_a_time = Lock()
        atexit.register(self._close)

    def recloop(
        self, arguments: Sequence[str], environ: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with no other environment than this one."""
        printed, errors = (Path(self._folder.name) / name for name in ("stdout", "stderr"))
        order = {
            "arguments": list(arguments), "environ": dict(environ), "stdout": str(printed), "stderr": str(errors),
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._one_at_a_time:
            for log in (printed, errors):
                log.write_text("")
            print(json.dumps(order), file=self._process.stdin, flush=True)
            if not (told := self._process.stdout.readline()):
                raise RuntimeError(f"the loaded process has ended with {self._process.wait()}")
            if (code := int(told)) == -signal.SIGALRM:
                raise subprocess.TimeoutExpired(
                    list(arguments), _SECONDS, printed.read_text(), errors.read_text()
                )
            return subprocess.CompletedProcess(arguments, code, printed.read_text(), errors.read_text())

    def _close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()


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
    from prefect.context import refresh_global_settings_context

    os.environ.clear()
    os.environ.update(order["environ"])
    refresh_global_settings_context()
    signal.alarm(_SECONDS)  # which ends it
    for stream, path in ((0, os.devnull), (1, order["stdout"]), (2, order["stderr"])):
        opened = os.open(path, os.O_RDWR | os.O_APPEND)
        os.dup2(opened, stream)
        os.close(opened)
    sys.argv = ["recloop", *order["arguments"]]

    from flows.cli.app import main

    main()


if __name__ == "__main__":
    _serve()
