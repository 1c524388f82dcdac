"""A home as a release left it: the real command line of a commit, run to its end, packed small.

    python -m tests.upgrades.make_home COMMIT           writes tests/upgrades/home_COMMIT.tar.xz

A cycle on the small synthetic world up to the .7 quantile of its events, a batch of lists, one list on demand, and an
approval, as a reviewer gives it. What this release must not need is left out: Prefect's database, logs, Data Docs,
pages, what Python and the servers keep for themselves. Records hold the home's absolute path, so it is made at a path
that every machine has: HOME. Two minutes of one core.
"""

from __future__ import annotations

import io
import json
import lzma
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent
BEFORE = FOLDER / "home_461e104.tar.xz"  # of the release before this one
HOME = Path("/tmp/recloop-of-a-release")
_PATIENCE = 600.0  # seconds, for whoever has it now
RECORDED = "recorded.json"  # in the home: what the release said of it
_LEFT_OUT = ("prefect", "run", "logs", "gx", "reports", "monitoring", "vectors", "artifacts/report")
_PASSING = (".part", "-wal", "-shm", ".opening", ".lock")
_OURS = ("RECLOOP_", "PREFECT_", "MLFLOW_")

_MOMENTS = """
import json, sys
from pathlib import Path
from components.data.sources.arrival import moments_at
from components.data.sources.opening import SMALL, open_source
events = open_source(SMALL, home=Path(sys.argv[1])).read(since=None, until=None).events
print(json.dumps({"moments": [moment.isoformat() for moment in moments_at(events, (0.5, 0.7, 1.0))],
                  "users": sorted(events["user_id"].unique())[:3]}))
"""


class HomeTaken(Exception):
    """HOME, or the lock beside it, is another's: names the path and the fix."""


def make_home(commit: str, to: Path) -> None:
    """Run the release in a checkout of its own, and write what it leaves. Refuses where HOME holds something."""
    with _alone(), tempfile.TemporaryDirectory(prefix="recloop-release-") as scratch:
        if HOME.exists():
            raise HomeTaken(f"{HOME} is there already: move it away")
        release = Path(scratch) / "checkout"
        git = ["git", "-C", str(CHECKOUT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(release), commit], check=True)
        try:
            recorded = _run_loop(_Release(release, Path(scratch)))
            (HOME / RECORDED).write_text(json.dumps(recorded | {"commit": commit}, indent=1, sort_keys=True))
            _close_and_clean(HOME)
            _pack(HOME, to)
        finally:
            subprocess.run([*git, "remove", "--force", str(release)], check=True)
            shutil.rmtree(HOME, ignore_errors=True)


class _Release:
    """The code of a checkout, in processes of their own."""

    def __init__(self, checkout: Path, scratch: Path) -> None:
        outside = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        ports = dict(zip(("PREFECT", "MLFLOW", "DOCS"), free_ports(3), strict=True))
        ours = {f"RECLOOP_{name}_PORT": str(port) for name, port in ports.items()}
        self._cwd, self.scratch = checkout, scratch
        self._environ = outside | ours | {
            "PYTHONPATH": str(checkout), "RECLOOP_HOME": str(HOME), "RECLOOP_ACTOR": "maker",
            "OMP_NUM_THREADS": "1", "COLUMNS": "200", "LOGNAME": "maker", "USER": "maker",
        }  # fmt: skip

    def python(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self._cwd, env=self._environ, check=False, text=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        if done.returncode not in (0, 3):  # 3: a verdict other than PROMOTE
            raise SystemExit(f"{arguments} ended with {done.returncode}: {done.stdout}")
        return done.stdout

    def recloop(self, *arguments: str) -> str:
        print("recloop", *arguments, flush=True)
        return self.python("-m", "flows.cli", *arguments)


def _run_loop(release: _Release) -> dict[str, Any]:
    """The commands of a first week; what they said, as far as a later release is held to it."""
    asked = json.loads(release.python("-c", _MOMENTS, str(release.scratch)))
    middle, late, end = asked["moments"]
    cycle = ("--source", "synthetic-small", "--preset", "quick")
    said = json.loads(release.recloop("retrain", *cycle, "--train-cutoff", middle, "--as-of", late, "--json"))
    if said["verdict"] != "PROMOTE":
        raise SystemExit(f"the release's cycle came to {said['verdict']}: there would be no champion")
    release.recloop("score", "-k", "5")
    lists = {user: json.loads(_recommended(release, user, late)) for user in asked["users"]}
    _approve(HOME / "mlflow.db", said["version"])
    return {
        "as_of": late, "next_as_of": end, "version": said["version"],
        "status": json.loads(release.recloop("status", "--json")),
        "history": json.loads(release.recloop("history", "--json")),
        "lists": {
            user: [[one["item_id"], one["score"]] for one in found["items"]] for user, found in lists.items()
        },
    }  # fmt: skip


def _recommended(release: _Release, user: str, as_of: str) -> str:
    return release.recloop("recommend", "--user", user, "-k", "5", "--as-of", as_of, "--json")


def _approve(registry: Path, version: str) -> None:
    """What MLflow's page writes when a reviewer sets the two tags."""
    with closing(sqlite3.connect(registry)) as database, database:
        for key, value in {"validation_status": "approved", "approved_by": "reviewer"}.items():
            database.execute(
                "INSERT OR REPLACE INTO model_version_tags (name, version, key, value, workspace) "
                "SELECT name, version, ?, ?, workspace FROM model_versions WHERE version = ?",
                (key, value, version),
            )


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """The home at the path that its records name, for one process of this machine at a time; gone afterwards.

    Raises HomeTaken.
    """
    with _alone():
        shutil.rmtree(HOME, ignore_errors=True)  # of a process that was killed
        try:
            HOME.mkdir()
        except FileExistsError as error:
            raise HomeTaken(f"{HOME} is another user's: have it removed") from error
        try:
            with tarfile.open(archive, mode="r:xz") as tar:
                tar.extractall(HOME, filter="data")
            yield HOME
        finally:
            shutil.rmtree(HOME, ignore_errors=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Raises HomeTaken."""
    path = HOME.with_suffix(".lock")
    lock = FileLock(path, mode=0o666, timeout=_PATIENCE)  # of every user of this machine
    try:
        lock.acquire()
    except Timeout as error:
        raise HomeTaken(
            f"{path} is held by another process for {_PATIENCE:.0f} s: wait for it, or end it"
        ) from error
    except OSError as error:
        raise HomeTaken(f"{path} cannot be locked ({error.strerror}): have it removed") from error
    try:
        yield
    finally:
        lock.release()


def _close_and_clean(home: Path) -> None:
    """Databases in one file each, without the name of the machine that made them."""
    for path in sorted(home.rglob("*.db")):
        if _is_left_out(path.relative_to(home)):
            continue
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            if "leases" in tables:
                database.execute("UPDATE leases SET owner = 'release:1:0'")
            database.execute("PRAGMA journal_mode=DELETE")
            database.execute("VACUUM")
        for word in (socket.gethostname(), str(CHECKOUT.parent)):
            if word.encode() in path.read_bytes():
                raise SystemExit(f"{path.name} holds {word!r}")


def _pack(home: Path, to: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(home.rglob("*")):
            name = path.relative_to(home)
            if not path.is_file() or _is_left_out(name):
                continue
            facts = tarfile.TarInfo(name.as_posix())
            facts.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(facts, file)
    to.write_bytes(lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{to.name}: {to.stat().st_size:,} bytes")


def _is_left_out(name: Path) -> bool:
    within = any(name.is_relative_to(folder) for folder in _LEFT_OUT)
    return within or name.name.endswith(_PASSING) or name.name == "report.html"


def free_ports(num: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(num)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


if __name__ == "__main__":
    given = sys.argv[1]
    try:
        make_home(given, FOLDER / f"home_{given[:7]}.tar.xz")
    except HomeTaken as taken:
        sys.exit(str(taken))
