"""The real local servers, shared by all who work on one home: up while anybody uses them.

Nobody owns them: a use is signed in (see `users`), a keeper holds each server up (see `keeper`), and the last
user to leave stops them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import psutil
from filelock import FileLock

from components.registry.webhook_server import new_encryption_key, server_environment
from flows.engine_environment import engine_environment, service_environment
from flows.local.engine_servers import local_servers, mlflow_database, run_folder
from flows.local.keeper import Keeping
from flows.local.mlflow_schema import ServerFailed, prepare_mlflow_database, stamp_mlflow_database
from flows.local.process import (
    PortInUse,
    Recorded,
    group_members,
    port_taken,
    read_record,
    spawn,
    stop_groups,
    write_record,
)
from flows.local.secrets import kept_secret
from flows.local.server import LocalServer, healthy
from flows.local.users import in_use, sign_in, sign_out
from flows.settings import LOOPBACK, Settings

_START_SECONDS = 180.0  # 12 s on two idle cores; a busy machine takes several times that
_POLL_SECONDS = 0.1
_KEEPER_STOP_SECONDS = 30.0
_CHECKOUT = Path(__file__).resolve().parents[2]

OnProgress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Servers:
    """What runs now. `started` are those that this call started; the others ran before."""

    urls: dict[str, str]  # title → address for the browser
    started: tuple[str, ...]
    seconds: float


@contextmanager
def running_servers(
    settings: Settings,
    on_progress: OnProgress | None = None,
    *,
    needed: Collection[str] = ("prefect", "mlflow"),
    loading: str = "",
) -> Iterator[Servers]:
    """Let the servers that are needed answer inside the block; whoever leaves last stops them.

    `loading` names a module to import while they start: a flow's takes seconds that would be waited anyway.

    Servers of the same `home` that already run are used. Call it from the main thread: there SIGTERM leaves
    the block in order too. A process that is killed counts as gone, and the servers stop without it.

    Raises PortInUse and ServerFailed.
    """
    tell = on_progress or (lambda _: None)
    begin = time.perf_counter()
    for folder in (run_folder(settings), settings.home / "logs", settings.prefect_home):
        folder.mkdir(parents=True, exist_ok=True)
    with _sigterm_unwinds():
        with _lock(settings):
            use = sign_in(_users(settings))
            try:
                keepers = _ensure_running(settings, needed, tell, begin, loading)
            except BaseException:
                _leave(settings, use)
                raise
        try:
            yield Servers(
                urls={"Prefect": settings.prefect_ui_url, "MLflow": settings.mlflow_tracking_uri},
                started=tuple(keepers),
                seconds=time.perf_counter() - begin,
            )
        finally:
            _send_waiting_logs()
            with _lock(settings):
                _leave(settings, use)
            for keeper in keepers.values():
                keeper.poll()  # one that ended is not left a zombie; the others go on without us


def _send_waiting_logs() -> None:
    """Prefect sends lines from a thread of its own; what waits would find no server, and say so in the terminal."""
    if "prefect.logging.handlers" in sys.modules:
        from prefect.logging.handlers import APILogHandler

        APILogHandler().flush()


def mlflow_address(settings: Settings) -> str | None:
    """Where MLflow's client finds the registry: the server, or its own database while the local one is down.

    A server of another home on the same port holds another registry, and is not asked. None if there is
    neither a server of this home nor a database: nothing has been registered.
    """
    address, database = settings.mlflow_tracking_uri, mlflow_database(settings)
    record = read_record(run_folder(settings) / "mlflow.json")
    is_ours = record is not None and record.alive and record.port == settings.mlflow_port
    if not settings.mlflow_is_local or (is_ours and healthy(f"{address}/health")):
        return address
    if settings.mlflow_backend_url is not None:
        return settings.mlflow_backend_url.get_secret_value()
    return f"sqlite:///{database}" if database.exists() else None


def _ensure_running(
    settings: Settings,
    needed: Collection[str],
    tell: OnProgress,
    begin: float,
    loading: str,
) -> dict[str, subprocess.Popen[bytes]]:
    """Start what does not answer; the keeper of each. Under the lock, so two recloops never start the same server."""
    missing = [s for s in local_servers(settings) if s.name in needed and not _answers(s)]
    if not missing:
        return {}
    for server in missing:
        _clear_away(server, settings)
    tell(f"starting {' and '.join(server.title for server in missing)}")
    keepers = {server.name: _start(server, settings) for server in missing}
    if loading:
        import_module(loading)
    for server in missing:
        _await(server, keepers[server.name])
        tell(f"{server.title} answers after {time.perf_counter() - begin:.0f} s")
        if server.name == "mlflow" and settings.mlflow_backend_url is None:
            stamp_mlflow_database(settings)
    return keepers


def _start(server: LocalServer, settings: Settings) -> subprocess.Popen[bytes]:
    """Start the keeper of one server, which starts the server."""
    # secrets go by environment, not on the keeper's command line, which everybody can read
    environ = os.environ | engine_environment(settings) | service_environment(settings)
    if server.name == "mlflow":
        if settings.mlflow_backend_url is None:
            prepare_mlflow_database(settings, server)
        key = kept_secret(settings.home / "mlflow-webhook.key", new_encryption_key)
        environ |= server_environment(key)
    keeper = spawn(
        Keeping(server=server, folder=settings.home, users=_users(settings)).command,
        environ=environ,
        folder=_CHECKOUT,  # where `flows` is found
        log=settings.home / "logs" / "keepers.log",
        ends_with_parent=False,
    )
    write_record(_keeper_of(server), keeper.pid)
    return keeper


def _answers(server: LocalServer) -> bool:
    """Whether this home's own server runs there and is well."""
    record = read_record(server.record)
    is_ours = record is not None and record.alive and record.port == server.port
    return is_ours and healthy(server.health)


def _clear_away(server: LocalServer, settings: Settings) -> None:
    """Stop what is left of a server that does not answer. Raises PortInUse if a stranger has its port."""
    _stop_keepers([server])
    record = read_record(server.record)
    if record is not None and _is_ours(record, settings):
        stop_groups([record.pid])
    server.record.unlink(missing_ok=True)
    if port_taken(LOOPBACK, server.port):
        raise PortInUse(server.title, server.port, server.port_variable)


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


def _await(server: LocalServer, keeper: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not healthy(server.health):
        if keeper.poll() is not None:
            raise ServerFailed(f"{server.title} ended before it answered. {server.log_tail}")
        if time.monotonic() > deadline:
            raise ServerFailed(
                f"{server.title} did not answer at {server.health} within {_START_SECONDS:.0f} s. "
                f"{server.log_tail}"
            )
        time.sleep(_POLL_SECONDS)


def _leave(settings: Settings, use: Path) -> None:
    """Sign out; the last one stops the servers. Under the lock, so nobody can sign in meanwhile."""
    sign_out(use)
    if not in_use(_users(settings)):
        _stop_keepers(local_servers(settings))


def _stop_keepers(servers: Iterable[LocalServer]) -> None:
    """End the keepers, which end their servers; they may need both waits for stubborn ones."""
    records = [_keeper_of(server) for server in servers]
    living = [found.pid for path in records if (found := read_record(path)) is not None and found.alive]
    stop_groups(living, patience_seconds=_KEEPER_STOP_SECONDS)
    for path in records:
        path.unlink(missing_ok=True)


def _keeper_of(server: LocalServer) -> Path:
    """The record of the keeper of a server."""
    return server.record.with_name(f"{server.name}-keeper.json")


def _users(settings: Settings) -> Path:
    return run_folder(settings) / "users"


def _lock(settings: Settings) -> FileLock:
    """Two recloops on one home do not start the same servers: the second waits, then finds them running."""
    return FileLock(run_folder(settings) / "starting.lock")


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
