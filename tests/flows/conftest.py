"""Real servers and a demo that ran to its end, once for all tests that look at the whole loop."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.data.sources.synthetic import write_synthetic
from flows.local.process import read_record
from flows.local.servers import running_servers
from flows.settings import LOOPBACK, Settings
from tests.flows.own_files import ASKED, SAID, write_own_files
from tests.flows.worlds import WORLD, Home


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of events, items, images and sounds."""
    return write_synthetic(WORLD, tmp_path_factory.mktemp("data") / "small-world")


@dataclass(frozen=True)
class Estate:
    """Homes beside one another on the same two servers, told apart by the name of their model."""

    root: Path
    prefect_api_url: str
    mlflow_tracking_uri: str

    def home(self, name: str, data: Path) -> Home:
        """A home that finds both servers as somebody else's: it neither starts nor stops any."""
        prefect_port, mlflow_port = free_ports(2)
        settings = Settings(
            home=self.root / name / data.name,
            prefect_port=prefect_port,
            mlflow_port=mlflow_port,
            prefect_api_url=self.prefect_api_url,
            mlflow_tracking_uri=self.mlflow_tracking_uri,
            model_name=name,
        )
        return Home(data=data, settings=settings)

    def kill_prefect(self) -> None:
        """Its server, by SIGKILL; the keeper starts it anew on the same port and database."""
        recorded = read_record(self.root / "servers" / "run" / "prefect.json")
        assert recorded is not None
        os.kill(recorded.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    root = tmp_path_factory.mktemp("estate")
    prefect_port, mlflow_port = free_ports(2)
    settings = Settings(
        home=root / "servers",
        prefect_port=prefect_port,
        mlflow_port=mlflow_port,
        prefect_api_url=f"http://{LOOPBACK}:{prefect_port}/api",
        mlflow_tracking_uri=f"http://{LOOPBACK}:{mlflow_port}",
    )
    with running_servers(settings):
        yield Estate(root, settings.prefect_api_url, settings.mlflow_tracking_uri)


@pytest.fixture(scope="session")
def finished(estate: Estate, world: Path) -> Home:
    """The demo, run to its end without a disturbance."""
    home = estate.home("undisturbed", world)
    # as a person runs it, and with sets in another order than those of the loaded process have
    done = home.recloop_afresh(*home.demo, PYTHONHASHSEED="1")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return home


@pytest.fixture(scope="session")
def own_files(estate: Estate, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, str]:
    """A cycle on a person's own files, and what the command said."""
    data = write_own_files(tmp_path_factory.mktemp("data") / "own-files")
    home = estate.home("own-files", data)
    done = home.recloop("retrain", "--source", str(data), *ASKED, "--json", COLUMNS="300")
    assert done.returncode in (0, 3), f"{done.stdout}\n{done.stderr}"
    (home.settings.home / SAID).write_text(done.stdout)
    return home, done.stdout + done.stderr


def free_ports(num: int) -> list[int]:
    """Ports that nothing listens on, all different."""
    probes = [socket.create_server((LOOPBACK, 0)) for _ in range(num)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
