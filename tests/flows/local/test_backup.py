"""A home as one file and back: the drill, with the real command line on real databases."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.data.lease import hold_lease, this_process
from components.data.warehouse import open_warehouse
from flows.local.backup import BackupRefused, back_up, restore
from tests.serving.world import World

ROOT = Path(__file__).resolve().parents[3]


def recloop(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    plain = {
        name: value for name, value in os.environ.items() if not name.startswith(("RECLOOP_", "MLFLOW_"))
    }
    plain |= {"RECLOOP_HOME": str(home), "RECLOOP_MLFLOW_PORT": "9", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        check=False,
    )


def tree(home: Path) -> dict[str, bytes | list[str]]:
    """Every file's bytes, a database's as its statements."""
    found: dict[str, bytes | list[str]] = {}
    for path in sorted(home.rglob("*")):
        if not path.is_file() or path.name.endswith((".opening", "-wal", "-shm")):
            continue
        if path.suffix == ".db":
            opened = sqlite3.connect(path)
            found[str(path.relative_to(home))] = list(opened.iterdump())
            opened.close()
        else:
            found[str(path.relative_to(home))] = path.read_bytes()
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A registry with a champion, a batch of events in the warehouse, and what processes leave about."""
    home = tmp_path / "home"
    home.mkdir()
    uri = f"sqlite:///{home}/mlflow.db"
    MlflowClient(uri).create_experiment("recloop", artifact_location=str(home / "mlflow" / "artifacts"))
    World(home=home, tracking_uri=uri, model_name="recloop").register("one", champion=True)
    open_warehouse(f"sqlite:///{home}/warehouse.db").dispose()
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / "mlflow.json").write_text("{}")
    (home / "reports").mkdir()
    (home / "reports" / "a.html").write_text("a report")
    (home / "reports" / "b.html.part").write_text("half of one")
    return home


def test_a_home_that_is_lost_comes_back_whole(home: Path, tmp_path: Path) -> None:
    archive = tmp_path / "kept" / "recloop.tar.gz"
    before, told = tree(home), recloop(home, "status", "--json").stdout
    assert json.loads(told)["champion"]["version"] == "1"
    done = recloop(home, "backup", "--to", str(archive))
    assert done.returncode == 0, done.stderr
    assert archive.stat().st_mode & 0o077 == 0
    assert archive.read_bytes().startswith(b"\x1f\x8b")  # gzip
    home.rename(tmp_path / "lost")

    done = recloop(home, "restore", str(archive))
    assert done.returncode == 0, done.stderr
    assert str(home) in done.stdout
    assert recloop(home, "status", "--json").stdout == told
    gone = {name for name in before if name.startswith(("run/", "logs/")) or name.endswith(".part")}
    leases = "warehouse.db"  # leases were taken and let go in between
    assert {n: c for n, c in tree(home).items() if n != leases} == {
        n: c for n, c in before.items() if n not in {*gone, leases}
    }
    assert not list(tmp_path.glob(".home.restoring-*"))


def test_a_home_that_holds_anything_is_not_overwritten_and_no_other_home_is_taken(
    home: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "recloop.tar"
    back_up(home, archive)
    before = tree(home)
    refused = recloop(home, "restore", str(archive))
    assert refused.returncode == 1
    assert "Move it away first" in " ".join(refused.stderr.split())
    assert tree(home) == before
    other = recloop(tmp_path / "other", "restore", str(archive))
    assert other.returncode == 1
    assert f"recloop --home {home} restore" in " ".join(other.stderr.split())
    assert not (tmp_path / "other").exists()
    again = recloop(home, "backup", "--to", str(archive))
    assert again.returncode == 1
    assert "overwrites nothing" in " ".join(again.stderr.split())
    within = recloop(home, "backup", "--to", str(home / "a.tar"))
    assert "lies in the home" in " ".join(within.stderr.split())
    nothing = recloop(tmp_path / "none", "backup", "--to", str(tmp_path / "b.tar"))
    assert "there is nothing under" in " ".join(nothing.stderr.split())
    assert not (tmp_path / "none").exists()


def test_nobody_retrains_meanwhile(home: Path, tmp_path: Path) -> None:
    engine = open_warehouse(f"sqlite:///{home}/warehouse.db")
    with hold_lease(engine, "retraining", owner=this_process()):
        refused = recloop(home, "backup", "--to", str(tmp_path / "a.tar"))
    assert refused.returncode == 1
    assert "retraining" in refused.stderr
    assert not (tmp_path / "a.tar").exists()


def test_a_database_that_is_written_to_is_kept_as_of_one_moment(tmp_path: Path) -> None:
    """A server that goes on: both tables of a row pair are always in the copy, or neither is."""
    home = tmp_path / "home"
    home.mkdir()
    database = sqlite3.connect(home / "mlflow.db", check_same_thread=False)
    database.execute("PRAGMA journal_mode=WAL")
    database.executescript("CREATE TABLE a (n INTEGER); CREATE TABLE b (n INTEGER);")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            with database:
                database.execute("INSERT INTO a VALUES (?)", (number,))
                database.execute("INSERT INTO b VALUES (?)", (number,))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            back_up(home, tmp_path / f"{number}.tar")
    finally:
        stop.set()
        writer.join()
    database.close()
    home.rename(tmp_path / "lost")
    for number in range(5):
        restore(tmp_path / f"{number}.tar", home)
        kept = sqlite3.connect(home / "mlflow.db")
        assert kept.execute("SELECT n FROM a").fetchall() == kept.execute("SELECT n FROM b").fetchall()
        kept.close()
        home.rename(tmp_path / f"was-{number}")


def cut_off(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])


def one_byte_changed(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[content.index(b"a report")] ^= 1
    archive.write_bytes(content)


def without_digests(archive: Path) -> None:
    kept = archive.with_suffix(".kept")
    archive.rename(kept)
    with tarfile.open(kept) as old, tarfile.open(archive, "w") as new:
        for member in old:
            if member.name != "digests.json":
                new.addfile(member, old.extractfile(member))


def with_a_way_out(archive: Path) -> None:
    with tarfile.open(archive, "a") as tar:
        tar.addfile(tarfile.TarInfo("home/../../outside"))


def with_a_link(archive: Path) -> None:
    link = tarfile.TarInfo("home/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(archive, "a") as tar:
        tar.addfile(link)


def no_tar(archive: Path) -> None:
    archive.write_text("a letter")


@pytest.mark.parametrize(
    "damage",
    [cut_off, one_byte_changed, without_digests, with_a_way_out, with_a_link, no_tar],
    ids=lambda d: d.__name__,
)
def test_a_damaged_backup_restores_nothing(
    home: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    archive = tmp_path / "recloop.tar"
    back_up(home, archive)
    damage(archive)
    home.rename(tmp_path / "lost")
    with pytest.raises(BackupRefused, match=r"recloop\.tar"):
        restore(archive, home)
    assert not home.exists()
    assert not (tmp_path.parent / "outside").exists()
    assert not list(tmp_path.glob(".home.restoring-*"))


def test_a_backup_that_is_killed_leaves_no_file_that_looks_like_one(home: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal, flows.local.backup as b\n"
        "from pathlib import Path\n"
        "whole = b._add_file\n"
        "def die(*a, **k):\n"
        "    digest = whole(*a, **k)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "b._add_file = die\n"
        f"b.back_up(Path({str(home)!r}), Path({str(tmp_path / 'a.tar')!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert not (tmp_path / "a.tar").exists()
    assert back_up(home, tmp_path / "a.tar").files
