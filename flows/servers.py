"""The real local servers, Prefect's and MLflow's: shared, and stopped by who started them.

Both listen on 127.0.0.1 only, answer to no other host name, and keep their state under `home`. An address
that points elsewhere (`MLFLOW_TRACKING_URI`, `PREFECT_API_URL`) is somebody else's server, and left alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from flows.console import console
from flows.process import (
    PortInUse,
    Recorded,
    group_members,
    port_taken,
    read_record,
    spawn,
    stop_group,
    write_record,
)
from flows.settings import LOOPBACK, Settings, engine_environment
from flows.site import static_site

_START_SECONDS = 180.0  # 12 s on two idle cores; a busy machine takes several times that
_POLL_SECONDS = 0.1
_LOG_TAIL_LINES = 15

OnProgress = Callable[[str], None]


class ServerFailed(Exception):
    """A server ended, or did not answer in time; shows the end of its log."""


@dataclass(frozen=True, kw_only=True)
class LocalServer:
    """How one server is started, and how it is known to be well."""

    name: str
    title: str
    port: int
    port_variable: str
    health: str  # URL that answers 200
    command: tuple[str, ...]
    environ: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Servers:
    """What runs now. `started` are those that this process started and will stop; the others ran before."""

    urls: dict[str, str]  # title → address for the browser
    started: tuple[str, ...]
    seconds: float


def local_servers(settings: Settings) -> list[LocalServer]:
    """The servers that these settings ask recloop to run itself."""
    servers = []
    if settings.prefect_is_local:
        servers.append(_prefect(settings))
    if settings.mlflow_is_local:
        servers.append(_mlflow(settings))
    return servers


def record_path(settings: Settings, name: str) -> Path:
    return settings.home / "run" / f"{name}.json"


def healthy(url: str) -> bool:
    """Whether this address answers 200 within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def running_servers(settings: Settings, on_progress: OnProgress | None = None) -> Iterator[Servers]:
    """Let Prefect and MLflow answer inside the block; stop at its end what was started at its beginning.

    A server of the same `home` that already runs is used and left running. Call it from the main thread:
    there SIGTERM also stops what was started, and on Linux the servers end even if this process is killed.

    Raises PortInUse and ServerFailed.
    """
    tell = on_progress or (lambda _: None)
    begin = time.perf_counter()
    for folder in (settings.home / "run", settings.home / "logs", settings.prefect_home):
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_sigterm_unwinds())
        with _start_lock(settings):
            missing = [server for server in local_servers(settings) if not _reusable(settings, server)]
            if missing:
                tell(f"starting {' and '.join(server.title for server in missing)}")
            children = {server.name: _start(settings, server, stack) for server in missing}
            for server in missing:
                _await(settings, server, children[server.name])
                tell(f"{server.title} answers after {time.perf_counter() - begin:.0f} s")
            if "mlflow" in children:
                _schema_stamp(settings).write_text(version("mlflow"))
        yield Servers(
            urls={"Prefect": settings.prefect_ui_url, "MLflow": settings.mlflow_tracking_uri},
            started=tuple(server.name for server in missing),
            seconds=time.perf_counter() - begin,
        )


def serve_ui(settings: Settings) -> None:
    """Run the servers and the page of Data Docs and reports, print the addresses, wait for Ctrl-C."""
    with running_servers(settings, console.print) as servers, static_site(settings) as pages:
        console.print()
        for title, url in {**servers.urls, **pages}.items():
            console.print(f"  {title:<16} {url}")
        console.print("\nCtrl-C stops what was started here.")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            console.print("stopping")


def _prefect(settings: Settings) -> LocalServer:
    origins = f"http://{LOOPBACK}:{settings.prefect_port},http://localhost:{settings.prefect_port}"
    return LocalServer(
        name="prefect",
        title="Prefect",
        port=settings.prefect_port,
        port_variable="RECLOOP_PREFECT_PORT",
        health=f"http://{LOOPBACK}:{settings.prefect_port}/api/health",
        # it migrates its own database before it answers, and goes on where a killed one stopped
        command=_python(
            "prefect", "server", "start", "--host", LOOPBACK, "--port", str(settings.prefect_port)
        ),
        environ=os.environ
        | engine_environment(settings)
        | {
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins,
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        },
    )


def _mlflow(settings: Settings) -> LocalServer:
    names = [f"{LOOPBACK}:{settings.mlflow_port}", f"localhost:{settings.mlflow_port}"]
    environ = (
        os.environ
        | engine_environment(settings)
        # a model version comes from this server's artifacts, never from a path its caller names
        | {"MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": "^(mlflow-artifacts|models|runs):/"}
    )
    del environ["MLFLOW_TRACKING_URI"]  # the server is not its own client
    return LocalServer(
        name="mlflow",
        title="MLflow",
        port=settings.mlflow_port,
        port_variable="RECLOOP_MLFLOW_PORT",
        health=f"http://{LOOPBACK}:{settings.mlflow_port}/health",
        command=_python(
            *("mlflow", "server", "--host", LOOPBACK, "--port", str(settings.mlflow_port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{_mlflow_database(settings)}"),
            *("--artifacts-destination", str(settings.home / "mlartifacts"), "--serve-artifacts"),
            *("--allowed-hosts", ",".join(names)),
            *("--cors-allowed-origins", ",".join(f"http://{name}" for name in names)),
        ),
        environ=environ,
    )


def _reusable(settings: Settings, server: LocalServer) -> bool:
    """Whether this home's server already runs. Clears away what is left of one that does not.

    Raises PortInUse if a stranger listens on its port.
    """
    path = record_path(settings, server.name)
    record = read_record(path)
    if record is not None and record.alive and record.port == server.port and healthy(server.health):
        return True
    if record is not None and _is_ours(record, settings):
        stop_group(record.pid)
    path.unlink(missing_ok=True)
    if port_taken(LOOPBACK, server.port):
        raise PortInUse(server.title, server.port, server.port_variable)
    return False


def _is_ours(record: Recorded, settings: Settings) -> bool:
    """Whether the recorded group still lives: itself, or children that outlived it in this home's name."""
    if record.alive:
        return True
    try:
        return any(
            member.environ().get("RECLOOP_HOME") == str(settings.home) for member in group_members(record.pid)
        )
    except psutil.Error:
        return False


def _start(settings: Settings, server: LocalServer, stack: ExitStack) -> subprocess.Popen[bytes]:
    """Start one server, and see to it that it is stopped when `stack` unwinds."""
    if server.name == "mlflow":
        _prepare_mlflow_database(settings, server)
    path = record_path(settings, server.name)
    log = _log(settings, server)
    log.unlink(missing_ok=True)
    child = spawn(server.command, environ=server.environ, folder=settings.home, log=log)
    stack.callback(path.unlink, missing_ok=True)
    stack.callback(child.wait)
    stack.callback(stop_group, child.pid)
    write_record(path, child, port=server.port)
    return child


def _await(settings: Settings, server: LocalServer, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not healthy(server.health):
        if (code := child.poll()) is not None:
            raise ServerFailed(
                f"{server.title} ended with code {code} before it answered. {_tail(settings, server)}"
            )
        if time.monotonic() > deadline:
            raise ServerFailed(
                f"{server.title} did not answer at {server.health} within {_START_SECONDS:.0f} s. "
                f"{_tail(settings, server)}"
            )
        time.sleep(_POLL_SECONDS)


def _prepare_mlflow_database(settings: Settings, server: LocalServer) -> None:
    """Bring MLflow's database to the schema of the installed MLflow before any client comes.

    A new one is made aside and moved into place: a server killed while it makes its own leaves one on which
    no MLflow starts again (seen with 3.17.2, killed after 7 s).
    """
    database, stamp = _mlflow_database(settings), _schema_stamp(settings)
    if not database.exists():
        aside = settings.home / ".mlflow-new"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        _upgrade_mlflow(aside / database.name, server)
        os.replace(aside / database.name, database)
        aside.rmdir()
    elif not stamp.exists() or stamp.read_text() != version("mlflow"):
        _upgrade_mlflow(database, server)


def _upgrade_mlflow(database: Path, server: LocalServer) -> None:
    done = subprocess.run(
        _python("mlflow", "db", "upgrade", f"sqlite:///{database}"),
        env=server.environ,
        cwd=database.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServerFailed(
            f"MLflow could not bring {database} to its own schema:\n{_last_lines(done.stderr)}\n"
            "Move the file away to begin with an empty registry, or install the MLflow that wrote it."
        )


def _mlflow_database(settings: Settings) -> Path:
    return settings.home / "mlflow.db"


def _schema_stamp(settings: Settings) -> Path:
    return settings.home / "mlflow.db.version"


def _log(settings: Settings, server: LocalServer) -> Path:
    return settings.home / "logs" / f"{server.name}.log"


def _tail(settings: Settings, server: LocalServer) -> str:
    log = _log(settings, server)
    return f"The end of {log}:\n{_last_lines(log.read_text(errors='replace'))}"


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-_LOG_TAIL_LINES:])


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


@contextmanager
def _start_lock(settings: Settings) -> Iterator[None]:
    """Two recloops on one home do not start the same servers: the second waits, then finds them running."""
    with (settings.home / "run" / "starting.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that `finally` is reached; leaves a handler that stands already."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def leave(_signal: int, _frame: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def mlflow_address(settings: Settings) -> str | None:
    """Where MLflow's client finds the registry: the server, or its own database while the local one is down.

    A server of another home on the same port holds another registry, and is not asked. None if there is
    neither a server of this home nor a database: nothing has been registered.
    """
    address, database = settings.mlflow_tracking_uri, _mlflow_database(settings)
    record = read_record(record_path(settings, "mlflow"))
    is_ours = record is not None and record.alive and record.port == settings.mlflow_port
    if not settings.mlflow_is_local or (is_ours and healthy(f"{address}/health")):
        return address
    return f"sqlite:///{database}" if database.exists() else None
