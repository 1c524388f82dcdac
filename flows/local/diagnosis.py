"""What could keep the loop from running on this machine, and how to fix each.

Every check looks and changes nothing, but for the warehouse, whose schema is brought up when it is opened.
"""

from __future__ import annotations

import importlib.metadata
import re
import sqlite3
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil

from flows.local.engine_servers import local_servers
from flows.local.ledgers import checked_ledgers
from flows.local.process import port_taken, read_record, who_listens
from flows.local.server import LocalServer, healthy
from flows.local.site import is_our_site
from flows.settings import LOOPBACK, Settings, usable_cores

CONSTRAINTS = Path(__file__).resolve().parents[2] / "infra" / "constraints.txt"

_NEEDED_DISK_GB = 2.0
_NEEDED_MEMORY_GB = 4.0  # the demo's ceiling, all processes summed


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at. `fix` says what to do if it is not well."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def diagnose(settings: Settings) -> list[Finding]:
    """Look at everything; works on a machine where nothing has run yet."""
    findings = [
        _python(),
        _packages(CONSTRAINTS),
        _home(settings),
        _disk(settings),
        _memory(),
        _threads(settings),
    ]
    for server in local_servers(settings):
        findings += [_server_port(settings, server), *_stale_record(settings, server)]
    findings += [_docs_port(settings), *_remote_servers(settings)]
    findings += [*_warehouse(settings), *_embedded_databases(settings)]
    return [*findings, _source_wheel(settings), _data_docs(settings)]


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        name="Python",
        ok=sys.version_info[:2] == (3, 11),
        detail=found,
        fix="recloop runs on Python 3.11: remove .venv, then make install PYTHON=/path/to/python3.11",
    )


def _packages(constraints: Path) -> Finding:
    """Installed versions against those known to work together."""
    pins = dict(line.split("==", 1) for line in constraints.read_text().split() if "==" in line)
    needed = {
        _plain(match[0])
        for line in importlib.metadata.requires("recloop") or []
        if "extra ==" not in line and (match := re.match(r"[\w.-]+", line))
    }
    wrong = []  # the first five are shown
    for name, pinned in sorted(pins.items()):
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if _plain(name) in needed:
                wrong.append(f"{name} is missing, not {pinned}")
            continue
        if found.partition("+")[0] != pinned:  # torch calls its CPU build 2.13.0+cpu
            wrong.append(f"{name} is {found}, not {pinned}")
    return Finding(
        name="packages",
        ok=not wrong,
        detail="; ".join(wrong[:5]) or f"{len(pins)} pins in infra/constraints.txt, none broken",
        fix=f"{sys.executable} -m pip install -c infra/constraints.txt -e '.[dev]'",
    )


def _home(settings: Settings) -> Finding:
    folder = _nearest_existing(settings.home)
    fix = "give this user the right to write there, or set RECLOOP_HOME to another folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(name="home", ok=False, detail=f"{settings.home}: {error.strerror}", fix=fix)
    made = "" if settings.home.exists() else " (made by the first run)"
    return Finding(name="home", ok=True, detail=f"{settings.home}{made}")


def _disk(settings: Settings) -> Finding:
    free_gb = psutil.disk_usage(str(_nearest_existing(settings.home))).free / 2**30
    return Finding(
        name="disk",
        ok=free_gb >= _NEEDED_DISK_GB,
        detail=f"{free_gb:.1f} GB free, {_NEEDED_DISK_GB:.0f} wanted",
        fix="free some space, or set RECLOOP_HOME to a folder on a larger disk",
    )


def _memory() -> Finding:
    free_gb = psutil.virtual_memory().available / 2**30
    return Finding(
        name="memory",
        ok=free_gb >= _NEEDED_MEMORY_GB,
        detail=f"{free_gb:.1f} GB available, {_NEEDED_MEMORY_GB:.0f} wanted",
        fix="close other programs, or run on a larger machine",
    )


def _threads(settings: Settings) -> Finding:
    cores = usable_cores()
    return Finding(
        name="threads",
        ok=settings.threads <= cores,
        detail=f"torch will use {settings.threads} of {cores} cores",
        fix=f"more threads than cores slow each other down: unset RECLOOP_THREADS, or set it to {cores}",
    )


def _server_port(settings: Settings, server: LocalServer) -> Finding:
    name = f"port {server.port}"
    record = read_record(server.record)
    ours = record is not None and record.alive and record.port == server.port
    if not port_taken(LOOPBACK, server.port):
        return Finding(name=name, ok=True, detail=f"free for {server.title}")
    if ours and healthy(server.health):
        return Finding(name=name, ok=True, detail=f"our {server.title} answers")
    if ours:
        return Finding(
            name=name,
            ok=False,
            detail=f"our {server.title} listens and does not answer",
            fix="wait a minute if it is just starting; recloop ui stops it and starts another",
        )
    return Finding(
        name=name,
        ok=False,
        detail=f"meant for {server.title}, in use by {who_listens(server.port)}",
        fix=f"end that, or choose another port: {server.port_variable}={server.port + 1}",
    )


def _stale_record(settings: Settings, server: LocalServer) -> Iterator[Finding]:
    path = server.record
    record = read_record(path)
    if path.exists() and (record is None or not record.alive):
        yield Finding(
            name="process record",
            ok=False,
            detail=f"{path} names a {server.title} server that no longer runs; it was killed",
            fix="any command that starts the servers clears it, such as recloop ui",
        )


def _docs_port(settings: Settings) -> Finding:
    name = f"port {settings.docs_port}"
    if not port_taken(LOOPBACK, settings.docs_port):
        return Finding(name=name, ok=True, detail="free for Data Docs and reports")
    if is_our_site(settings.docs_port):
        return Finding(name=name, ok=True, detail="recloop ui serves Data Docs and reports")
    return Finding(
        name=name,
        ok=False,
        detail=f"meant for Data Docs and reports, in use by {who_listens(settings.docs_port)}",
        fix=f"end that, or choose another port: RECLOOP_DOCS_PORT={settings.docs_port + 1}",
    )


def _remote_servers(settings: Settings) -> Iterator[Finding]:
    if not settings.prefect_is_local:
        yield _remote("Prefect", settings.prefect_api_url, "PREFECT_API_URL")
    if not settings.mlflow_is_local:
        yield _remote("MLflow", settings.mlflow_tracking_uri, "MLFLOW_TRACKING_URI")


def _remote(title: str, address: str, variable: str) -> Finding:
    try:
        urllib.request.urlopen(f"{address}/health", timeout=5.0).close()  # noqa: S310 - an address of the operator's own settings
    except urllib.error.HTTPError as error:  # it answers, if only to ask for a login
        return Finding(
            name=title, ok=error.code < 500, detail=f"{address} answers {error.code}", fix="see its log"
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Finding(
            name=title,
            ok=False,
            detail=f"{address}: {reason}",
            fix=f"check {variable} and the way there; unset, recloop runs a server of its own",
        )
    return Finding(name=title, ok=True, detail=f"{address} answers")


def _warehouse(settings: Settings) -> Iterator[Finding]:
    from components.data.damage import damage_in
    from components.data.lease import stale_leases
    from components.data.warehouse import WarehouseUnreachable, open_warehouse

    url = settings.warehouse_url.get_secret_value()
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        yield Finding(
            name="warehouse", ok=True, detail=f"{settings.warehouse_address} (made by the first run)"
        )
        return
    try:
        engine = open_warehouse(url)
        damage = damage_in(engine, with_indexes=True)
        stale = stale_leases(engine)
        ledgers = list(checked_ledgers(engine, settings))
        engine.dispose()
    except WarehouseUnreachable as error:
        yield Finding(name="warehouse", ok=False, detail=str(error), fix="as it says")
        return
    state = damage or "newest schema"
    yield Finding(
        name="warehouse", ok=not damage, detail=f"{settings.warehouse_address}, {state}", fix="as it says"
    )
    for lease in stale:
        yield Finding(
            name="lease",
            ok=False,
            detail=f"{lease.name!r} of {lease.owner} was never given back; its holder was killed",
            fix="the next run takes it over by itself: run the same command again",
        )
    for one in ledgers:
        yield Finding(name=f"ledger {one.ledger}", ok=one.ok, detail=one.detail, fix="as it says")


def _embedded_databases(settings: Settings) -> Iterator[Finding]:
    """The SQLite files of the engines: can each be read?"""
    files = [
        path
        for folder in (settings.home, settings.prefect_home, settings.feast_home)
        for path in sorted(folder.glob("*.db"))
        if f"sqlite:///{path}" != settings.warehouse_url.get_secret_value()
    ]
    for path in files:
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        except sqlite3.Error as error:
            yield Finding(
                name="database",
                ok=False,
                detail=f"{path}: {error}",
                fix="restore it from a backup, or move it away to begin anew (its history goes with it)",
            )
        else:
            yield Finding(
                name="database",
                ok=True,
                detail=f"{path.relative_to(path.parents[1])}, {tables} tables and indexes",
            )


def _source_wheel(settings: Settings) -> Finding:
    from components.artifact import sha256_file
    from components.data.sources.movielens import WHEEL, WHEEL_SHA256

    path = settings.home / "sources" / WHEEL
    if not path.exists():
        return Finding(name="MovieLens-100K", ok=True, detail="not fetched yet; the first demo does, by pip")
    whole = sha256_file(path) == WHEEL_SHA256
    return Finding(
        name="MovieLens-100K",
        ok=whole,
        detail=f"{path} {'is whole' if whole else 'is not the file whose SHA-256 is pinned'}",
        fix="remove it; the next demo fetches it anew",
    )


def _data_docs(settings: Settings) -> Finding:
    there = settings.data_docs.exists()
    return Finding(
        name="Data Docs",
        ok=True,
        detail=str(settings.data_docs) if there else "none yet; the first ingest makes them",
    )


def _nearest_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
