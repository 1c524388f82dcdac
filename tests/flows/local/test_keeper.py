"""Servers belong to nobody: they outlive who started them, come back when they die, and go with the last user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.local.engine_servers import local_servers
from flows.local.process import read_record
from flows.local.server import healthy
from flows.local.servers import running_servers
from flows.settings import Settings
from tests.flows.local.test_servers import ROOT, settings_in, until

_USER = textwrap.dedent(
    """
    import json, sys, time
    from flows.local.servers import running_servers
    from flows.settings import Settings
    with running_servers(Settings(**json.loads(sys.argv[1]))):
        print("inside", flush=True)
        time.sleep(600)
    """
)


@contextmanager
def another_user(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """A process that uses the servers of this home until it is killed."""
    command = [
        sys.executable,
        "-c",
        _USER,
        json.dumps(settings.model_dump(mode="json", exclude={"warehouse_url"})),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        try:
            yield process
        finally:
            process.kill()


def all_well(settings: Settings) -> bool:
    return all(healthy(server.health) for server in local_servers(settings))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_servers_live_while_anyone_uses_them(tmp_path: Path) -> None:
    """Who started them is killed; one of them is killed; the last user is killed."""
    settings = settings_in(tmp_path)
    (prefect, mlflow) = local_servers(settings)
    with another_user(settings) as starter:
        with running_servers(settings) as joined:
            assert joined.started == ()
            starter.kill()
            starter.wait()
            assert not until(lambda: not all_well(settings), seconds=3)

            killed = read_record(mlflow.record)
            assert killed is not None
            os.kill(killed.pid, signal.SIGKILL)
            assert until(lambda: not healthy(mlflow.health))
            assert until(lambda: all_well(settings), seconds=120)

            with another_user(settings) as last:
                pass  # leaves by SIGKILL, and is not the last
            last.wait()
            third = another_user(settings)
            survivor = third.__enter__()
        assert not until(lambda: not all_well(settings), seconds=3)
        survivor.kill()
        survivor.wait()
        assert until(lambda: not any(healthy(s.health) for s in (prefect, mlflow)), seconds=30)
        assert until(lambda: not prefect.record.exists() and not mlflow.record.exists(), seconds=30)
