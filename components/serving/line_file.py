"""A file that grows by whole lines: after a crash or on a full disk it holds lines that are complete, and no other."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Callable
from pathlib import Path

_TAIL = 1_048_576  # bytes; longer than any line


class LineFile:
    """Opened for appending, made if absent; a last line without an end is dropped, since nobody was told of it."""

    def __init__(self, path: Path, *, header: str = "") -> None:
        self.path, self._header = path, header
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = self._open()

    def append(self, line: str, *, durable: bool) -> None:
        """Add a line, given without its end; `durable`: it is on disk when this returns. Raises OSError."""
        while True:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            if _is_at(self.path, self._handle):
                break
            self.close()  # somebody has rewritten the file: go on in the new one
            self._handle = self._open()
        try:
            _write_line(self._handle, line, durable=durable)
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._handle)

    def _open(self) -> int:
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        _drop_torn_line(handle)
        if self._header and os.fstat(handle).st_size == 0:
            _write_line(handle, self._header, durable=True)
        _sync_folder(self.path.parent)
        return handle


def keep_lines(path: Path, keep: Callable[[str], bool]) -> int:
    """Rewrite a file without the lines that are not to be kept; returns how many those are. Raises OSError.

    The file is old or new, never partial, and what is appended meanwhile waits for it.
    """
    handle = _locked(path)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        kept = [line for line in lines if keep(line)]
        if len(kept) < len(lines):
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
                file.write("\n".join(kept))
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
            _sync_folder(path.parent)
        return len(lines) - len(kept)
    finally:
        aside.unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path) -> int:
    """The file that stands under this name, locked: one that was replaced while we waited is not it."""
    while True:
        handle = os.open(path, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_at(path, handle):
            return handle
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _write_line(handle: int, line: str, *, durable: bool) -> None:
    content, begin = f"{line}\n".encode(), os.fstat(handle).st_size
    try:
        if os.write(handle, content) != len(content):
            raise OSError("the disk took part of a line only")
        if durable:
            os.fsync(handle)
    except OSError:
        os.ftruncate(handle, begin)
        raise


def _drop_torn_line(handle: int) -> None:
    size = os.fstat(handle).st_size
    tail = os.pread(handle, _TAIL, max(0, size - _TAIL))
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(handle, size - len(tail) + tail.rfind(b"\n") + 1)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
