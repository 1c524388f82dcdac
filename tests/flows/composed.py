"""The services of infra/compose.yaml as processes of this machine, each on a loopback address of its own.

Commands, variables and health checks are taken as they are written. What is put in their place is `Composed.places`:
names of hosts and folders. Ports stay, since no two services share an address.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.flows.worlds import ROOT

INFRA = ROOT / "infra"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
_BIN = Path(sys.executable).parent
_IMAGE = {  # what infra/Dockerfile sets, but for PATH
    "HOME": "/var/lib/recloop", "RECLOOP_HOME": "/var/lib/recloop", "PYTHONUNBUFFERED": "1",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Composed:
    """Where the services live here, and the values of an env file."""

    folder: Path
    env: Mapping[str, str]
    network: str  # "127.12.34": the first three parts of every address
    postgres: str  # host:port
    objects: str  # http://host:port
    started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def address(self, service: str) -> str:
        return f"{self.network}.{list(SERVICES).index(service) + 1}"

    def places(self, service: str) -> dict[str, str]:
        """What compose gives each container of its own, and this machine does not."""
        own = self.address(service)
        return {
            "127.0.0.1": own, "0.0.0.0": own,
            "postgres:5432": self.postgres, "http://objects:7070": self.objects,
            "mlflow:5000": f"{self.address('mlflow')}:5000", "prefect:4200": f"{self.address('prefect')}:4200",
            "serve:8000": f"{self.address('serve')}:8000",
            "/var/lib/": f"{self.folder}/", "/etc/": f"{self.folder}/etc/",
        }  # fmt: skip

    def here(self, service: str, text: str) -> str:
        """A text of the file with variables filled in as compose does, and places."""
        text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: self._value(found[1]), text)
        for written, place in self.places(service).items():
            text = text.replace(written, place)
        return text

    def _value(self, name: str) -> str:
        assert self.env[name], f"{name} is empty: compose would stop"
        return self.env[name]

    def environ(self, service: str) -> dict[str, str]:
        """The variables of the image and of the service, and nothing of the tests'."""
        named = {
            name: self.here(service, str(value))
            for name, value in (_IMAGE | SERVICES[service]["environment"]).items()
        }
        return {"PATH": f"{_BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"} | named

    def command(self, service: str, command: list[str] | None = None) -> list[str]:
        words = [self.here(service, word) for word in command or SERVICES[service]["command"]]
        return [shutil.which(words[0], path=str(_BIN)) or words[0], *words[1:]]

    def start(self, service: str, command: list[str] | None = None, **more: str) -> None:
        with self.log(service).open("ab") as log:
            self.started[service] = subprocess.Popen(
                self.command(service, command), cwd=ROOT, env=self.environ(service) | more,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill(self, service: str) -> None:
        """By SIGKILL, with everything that it started."""
        process = self.started.pop(service)
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        process.kill()
        process.wait()

    def await_health(self, service: str) -> None:
        """By the service's own check."""
        kind, *words = SERVICES[service]["healthcheck"]["test"]
        assert kind == "CMD"
        deadline = time.monotonic() + 240
        while subprocess.run(
            self.command(service, words), env=self.environ(service), capture_output=True, check=False
        ).returncode:
            assert self.started[service].poll() is None, self.log(service).read_text()[-4000:]
            assert time.monotonic() < deadline, self.log(service).read_text()[-4000:]
            time.sleep(1.0)

    def run(
        self, service: str, *command: str, given: str | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """`docker compose exec SERVICE COMMAND`, with `given` as its input."""
        return subprocess.run(
            self.command(service, list(command)), cwd=ROOT,
            env=self.environ(service) | {"COLUMNS": "200"} | more,
            input=given, capture_output=True, text=True, check=False, timeout=400,
        )  # fmt: skip

    def log(self, service: str) -> Path:
        return self.folder / f"{service}.log"


@contextmanager
def composed(**places: Any) -> Iterator[Composed]:
    """What was started is gone at the end, the last first: a worker outlives its server."""
    services = Composed(**places)
    for folder in ("recloop", "mlflow", "prefect", "etc/mlflow", "etc/caddy"):
        (services.folder / folder).mkdir(parents=True, exist_ok=True)
    for file in ("mlflow/basic_auth.ini", "proxy/Caddyfile"):  # as the volumes of the services bind them
        bound = services.folder / "etc" / file.replace("proxy", "caddy")
        bound.write_text(services.here(file.partition("/")[0], (INFRA / file).read_text()))
    try:
        yield services
    finally:
        for service in reversed(list(services.started)):
            services.kill(service)


def documented(beginning: str) -> str:
    """The heredoc of docs/how-to/production.md that this command begins, as a shell fills it in."""
    told = (ROOT / "docs" / "how-to" / "production.md").read_text()
    found = re.search(
        rf"^{re.escape(beginning)}[^\n]*<<EOF\n(.*?)^EOF$", told, flags=re.MULTILINE | re.DOTALL
    )
    assert found is not None, beginning
    return found[1]
