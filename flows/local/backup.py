"""A home as one file, and back: databases as they stood at one moment each, files with their digests.

    backup.json     what it is a backup of
    home/…          every file of the home; a SQLite database by its own backup, so that a server may go on writing
    digests.json    SHA-256 of each, last: a file that was cut off has none

Databases come before files: what a row points to was there before the row, and is there when files are read. Nobody
may retrain, score or prune meanwhile (leases). A restore puts all beside the home, checks all, and renames.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

FACTS, DIGESTS, INSIDE = "backup.json", "digests.json", "home"
FORMAT = 1
_LEFT_OUT = ("run", "logs")  # of processes that were alive
_PASSING = (".part", "-wal", "-shm", ".opening")  # files that mean nothing without the process that made them
_SQLITE = b"SQLite format 3\x00"
_CHUNK = 1 << 20


class BackupRefused(Exception):
    """It cannot be made, or is not to be trusted; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class BackupFacts:
    """What a backup says of itself."""

    home: str  # absolute: artifacts are named by it
    made_at: str  # ISO 8601, UTC
    format: int = FORMAT


@dataclass(frozen=True, kw_only=True)
class BackedUp:
    facts: BackupFacts
    files: int
    size: int  # bytes, of the files


def back_up(home: Path, to: Path) -> BackedUp:
    """Write `home` into the tar file `to`, gzipped if its name ends in .gz; nothing half-written is left.

    Memory is that of one chunk and of the digests. Raises BackupRefused if `to` exists, lies in the home, or the
    home holds nothing.
    """
    if to.exists():
        raise BackupRefused(f"{to} exists; a backup overwrites nothing. Name another file")
    if to.resolve().is_relative_to(home):
        raise BackupRefused(
            f"{to} lies in the home that it would hold; name a file elsewhere, on another disk at best"
        )
    files = list(_files(home)) if home.is_dir() else []
    if not files:
        raise BackupRefused(f"there is nothing under {home}: `recloop --home` names another one")
    facts = BackupFacts(home=str(home), made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    to.parent.mkdir(parents=True, exist_ok=True)
    aside = to.with_name(f".{to.name}.{os.getpid()}.part")
    try:
        # databases hold users: nobody but the owner may read them
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            size = _write(file, home, files, facts, gzipped=to.suffix == ".gz")
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, to)  # refuses what came to lie there meanwhile
    except FileExistsError as error:
        raise BackupRefused(f"{to} exists; a backup overwrites nothing. Name another file") from error
    finally:
        aside.unlink(missing_ok=True)
    return BackedUp(facts=facts, files=len(files), size=size)


def _write(file: IO[bytes], home: Path, files: list[Path], facts: BackupFacts, *, gzipped: bool) -> int:
    digests: dict[str, str] = {}
    with (
        tarfile.open(fileobj=file, mode="w|gz" if gzipped else "w|", format=tarfile.PAX_FORMAT) as tar,
        tempfile.TemporaryDirectory(prefix="recloop-backup-") as scratch,
    ):
        _add_text(tar, FACTS, json.dumps(asdict(facts)))
        size = 0
        # databases first: see above
        for path in sorted(files, key=lambda path: (not _is_database(path), path)):
            name = path.relative_to(home).as_posix()
            source = _database_copy(path, Path(scratch)) if _is_database(path) else path
            try:
                digests[name] = _add_file(tar, f"{INSIDE}/{name}", source, mode=path.stat().st_mode)
            except FileNotFoundError:
                continue  # a server's temporary file that went meanwhile
            size += source.stat().st_size
        _add_text(tar, DIGESTS, json.dumps(digests, sort_keys=True))
    return size


def restore(archive: Path, home: Path) -> BackedUp:
    """Put the home back from `archive`, every byte checked; on a failure nothing is left and `home` is as it was.

    Raises BackupRefused if it is damaged or cut off, of another home, or `home` holds anything.
    """
    if home.exists() and any(home.iterdir()):
        raise BackupRefused(f"{home} holds something; a restore overwrites nothing. Move it away first")
    home.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{home.name}.restoring-", dir=home.parent))
    try:
        facts, found = _read(archive, aside, home)
        for path in filter(_is_database, _files(aside)):
            _check_database(path, path.relative_to(aside))
        if home.exists():
            home.rmdir()
        aside.rename(home)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return BackedUp(facts=facts, files=len(found), size=sum((home / name).stat().st_size for name in found))


def _read(archive: Path, aside: Path, home: Path) -> tuple[BackupFacts, dict[str, str]]:
    found: dict[str, str] = {}
    facts: BackupFacts | None = None
    wanted: dict[str, str] | None = None
    try:
        with tarfile.open(archive, mode="r|*") as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is None:  # a folder or a link: none is written
                    raise BackupRefused(f"{archive} holds {member.name!r}, which no backup does")
                if member.name == FACTS:
                    facts = _facts(content.read(), archive, home)
                elif member.name == DIGESTS:
                    wanted = json.loads(content.read())
                else:
                    name = _name_within(member.name, archive)
                    found[name] = _extract(content, aside / name, mode=member.mode)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise BackupRefused(f"{archive} cannot be read as a backup: {error}. Take another one") from error
    if facts is None or wanted is None:
        raise BackupRefused(
            f"{archive} is cut off or is no backup: it lacks {FACTS if facts is None else DIGESTS}"
        )
    if differing := sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name)):
        raise BackupRefused(f"{archive} is damaged: {len(differing)} files differ, the first {differing[0]}")
    return facts, found


def _facts(content: bytes, archive: Path, home: Path) -> BackupFacts:
    facts = BackupFacts(**json.loads(content))
    if facts.format != FORMAT:
        raise BackupRefused(f"{archive} has format {facts.format}; this release reads {FORMAT}")
    if facts.home != str(home):
        raise BackupRefused(
            f"{archive} is of {facts.home}, and artifacts are named by that path: restore with `recloop --home "
            f"{facts.home} restore {archive}`"
        )
    return facts


def _name_within(name: str, archive: Path) -> str:
    parts = PurePosixPath(name).parts
    if len(parts) < 2 or parts[0] != INSIDE or ".." in parts:
        raise BackupRefused(f"{archive} holds {name!r}, which would lie outside the home")
    return "/".join(parts[1:])


def _files(home: Path) -> Iterator[Path]:
    for path in sorted(home.rglob("*")):
        inside = path.relative_to(home)
        is_passing = inside.parts[0] in _LEFT_OUT or path.name.endswith(_PASSING)
        if path.is_file() and not path.is_symlink() and not is_passing:
            yield path


def _is_database(path: Path) -> bool:
    if path.suffix != ".db":
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _database_copy(path: Path, scratch: Path) -> Path:
    copy = scratch / "copy.db"
    copy.unlink(missing_ok=True)
    source = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)
    target = sqlite3.connect(copy)
    try:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
    finally:
        source.close()
        target.close()
    return copy


def _check_database(path: Path, name: Path) -> None:
    opened = sqlite3.connect(path)
    try:
        (told,) = opened.execute("PRAGMA integrity_check").fetchone()
    finally:
        opened.close()
    if told != "ok":
        raise BackupRefused(f"{name} of the backup is damaged: {told}")


class _Hashed(io.RawIOBase):
    """Reads on behalf of a tar file, and hashes what it read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self.sha256.update(chunk)
        return chunk


def _add_file(tar: tarfile.TarFile, name: str, path: Path, *, mode: int) -> str:
    with path.open("rb") as file:
        info = tarfile.TarInfo(name)
        state = os.fstat(file.fileno())
        # a log that grows while it is read is kept as long as it was
        info.size, info.mtime, info.mode = state.st_size, int(state.st_mtime), mode & 0o777
        hashed = _Hashed(file)
        tar.addfile(info, hashed)
    return hashed.sha256.hexdigest()


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _extract(content: IO[bytes], path: Path, *, mode: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    sha256 = hashlib.sha256()
    with path.open("xb") as file:
        while chunk := content.read(_CHUNK):
            sha256.update(chunk)
            file.write(chunk)
    path.chmod(mode & 0o777)
    return sha256.hexdigest()
