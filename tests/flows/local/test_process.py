"""Processes that recloop starts: known again by their records, stopped with their groups, leaked by nobody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from flows.local.process import (
    Recorded,
    group_members,
    read_record,
    spawn,
    stop_groups,
    write_record,
)
from tests.flows.local.test_servers import ROOT, SLEEPER, until


def test_a_record_knows_its_process_and_no_other(tmp_path: Path) -> None:
    child = spawn(SLEEPER, environ=os.environ, folder=tmp_path, log=tmp_path / "log")
    path = tmp_path / "sleeper.json"
    write_record(path, child.pid, port=1)
    record = read_record(path)
    assert record is not None
    assert record.alive
    # the same id, used again by a later process
    assert not Recorded(pid=record.pid, created=record.created - 100, port=1).alive
    stop_groups([child.pid])
    assert not record.alive
    child.wait()


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"pid": 1}), json.dumps({"pid": 1, "x": 2})])
def test_a_damaged_record_is_no_record(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    assert read_record(tmp_path / "x.json") is None


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.local.process._STOP_SECONDS", 1.0)
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER[-1]}"
    log = tmp_path / "log"
    child = spawn((sys.executable, "-c", stubborn), environ=os.environ, folder=tmp_path, log=log)
    assert until(lambda: log.read_text() == "up\n")
    stop_groups([child.pid])
    assert child.wait() == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_killed_parent_leaks_nothing(tmp_path: Path) -> None:
    """SIGKILL leaves the parent no chance to clean up; the child must end by itself."""
    parent = textwrap.dedent(
        f"""
        import os, time
        from pathlib import Path
        from flows.local.process import spawn
        folder = Path({str(tmp_path)!r})
        print(spawn({SLEEPER!r}, environ=os.environ, folder=folder, log=folder / "log").pid, flush=True)
        time.sleep(600)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert until(lambda: (tmp_path / "log").read_text() == "up\n")
        process.kill()
    assert until(lambda: not group_members(child))
