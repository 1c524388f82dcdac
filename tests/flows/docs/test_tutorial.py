"""The tutorial as its reader goes through it: from an empty folder, every command, and what it prints."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.flows.conftest import Estate, free_ports
from tests.flows.docs.walkthrough import Step, not_printed, steps_of
from tests.flows.worlds import ROOT

PAGE = ROOT / "docs" / "tutorial" / "first-promotion.md"
_OURS = ("RECLOOP_", "PREFECT_", "MLFLOW_")
_SECONDS = 900  # for a command, on a busy machine
_SERVED = "127.0.0.1:8000"  # where the page's reader finds `recloop serve`

pytestmark = [
    pytest.mark.timeout(2400),
    pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial asks the scoring server by curl"),
]


class Reader:
    """Somebody at a terminal in a folder: what they started and left running goes on."""

    def __init__(self, folder: Path, estate: Estate) -> None:
        docs, approvals, self.serve_port = free_ports(3)
        self.folder = folder
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),  # the code under test, from whatever folder
            "PREFECT_API_URL": estate.prefect_api_url,  # servers that run already, to spare two starts
            "MLFLOW_TRACKING_URI": estate.mlflow_tracking_uri,
            "RECLOOP_DOCS_PORT": str(docs),
            "RECLOOP_APPROVALS_PORT": str(approvals),
            "RECLOOP_SERVE_PORT": str(self.serve_port),
            "RECLOOP_ACTOR": "you",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def gives(self, step: Step) -> str:
        """A command to its end: what it printed."""
        command = step.text.replace(_SERVED, f"127.0.0.1:{self.serve_port}")
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environ, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        return done.stdout

    @contextmanager
    def leaves_running(self, step: Step) -> Iterator[str]:
        """A command that stays, once it has printed all that the page shows; Ctrl-C at the end."""
        child = subprocess.Popen(
            step.text.split(), cwd=self.folder, env=self.environ, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            yield _said_by(child, step)
            child.send_signal(signal.SIGINT)
            assert child.wait(60) == 0
        finally:
            child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()


def _said_by(child: subprocess.Popen[str], step: Step) -> str:
    """Its lines up to the last one shown. Raises AssertionError with the first that never came."""
    lines: queue.Queue[str] = queue.Queue()
    assert child.stdout is not None
    stdout = child.stdout
    threading.Thread(target=lambda: [lines.put(line) for line in stdout], daemon=True).start()
    printed, until = "", time.monotonic() + _SECONDS
    while missing := not_printed(step.shown, printed):
        try:
            printed += lines.get(timeout=1)
        except queue.Empty:
            is_over = child.poll() is not None or time.monotonic() > until
            assert not is_over, f"never printed: {missing}\n{printed}"
    return printed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tutorial")


def test_every_command_runs_and_prints_what_the_page_shows(folder: Path, estate: Estate) -> None:
    steps = list(steps_of(PAGE.read_text()))
    assert [step.kind for step in steps].count("stays") == 2
    reader = Reader(folder, estate)
    with ExitStack() as running:
        for step in steps:
            if step.kind == "file":
                (folder / step.name).write_text(step.text)
            elif step.kind == "stays":
                printed = running.enter_context(reader.leaves_running(step))
                assert_a_page_answers(printed)
            else:
                printed = reader.gives(step)
                assert not not_printed(step.shown, printed), f"$ {step.text}\n{printed}"


def assert_a_page_answers(printed: str) -> None:
    """The first address that a command prints is one that a browser finds a page at."""
    address = next(word for word in printed.split() if word.startswith("http://"))
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert answer.status == 200
        assert "<html" in answer.read().decode().lower()
