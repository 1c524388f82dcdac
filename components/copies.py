"""Copies of what is published, in an object store, where other machines and the next disk find it.

RECLOOP_ARTIFACTS_URL names the place: s3://bucket/prefix, gs://…, abfs://…, file:///…, or any scheme that fsspec
knows. Without it (or with `local`) nothing here does anything. The folder of artifacts is then this machine's copy:
publishing writes through, and what is missing here is fetched when it is asked for. An entry is root/<kind>/<name>,
a folder with a manifest or a single file; a folder is whole in the store once its manifest is, which is written
last and removed first. pyarrow's filesystems carry the clients, so S3 needs no further package. A request that
brings no byte for 6 s is given up and tried once more; memory is that of some megabytes a thread.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

URL, ROOT, HOME = "RECLOOP_ARTIFACTS_URL", "RECLOOP_ARTIFACTS", "RECLOOP_HOME"
LOCAL = "local"
MANIFEST = "manifest.json"
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "MLFLOW_S3_ENDPOINT_URL")
_OF_THIS_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}  # no failure of the store's
_NATIVE = {"gs", "gcs", "abfs", "abfss", "file"}  # pyarrow opens these by their URL
_THREADS = 16  # a request waits for the network, not for a core
_CHUNK = 4 << 20


class CopiesUnreachable(Exception):
    """The object store of artifacts does not answer, refuses, or its address is wrong; says which and why."""


@dataclass(frozen=True, kw_only=True)
class StoredEntry:
    """A folder or file in the store."""

    kind: str
    name: str
    size: int  # bytes
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Copies:
    """The store behind one folder of artifacts."""

    root: Path  # the folder
    url: str
    filesystem: FileSystem
    prefix: str  # bucket and folder in it

    def put(self, path: Path) -> None:
        """A published entry, unless it is there. Raises CopiesUnreachable."""
        if path.is_file():
            self.put_files([path])
            return
        with self._answering():
            if self._holds(path / MANIFEST):
                return
            files = [p for p in sorted(path.rglob("*")) if p.is_file() and p != path / MANIFEST]
            _at_once(self._upload, files)
            self._upload(path / MANIFEST)

    def put_files(self, paths: Iterable[Path]) -> None:
        """Files that are named by what they hold, of one kind; those that are there are left."""
        wanted = list(paths)
        if not wanted:
            return
        there = {entry.name: entry.size for entry in self.entries(wanted[0].parent.name)}
        with self._answering():  # one that was cut off has another size
            _at_once(self._upload, [path for path in wanted if there.get(path.name) != path.stat().st_size])

    def fetch(self, path: Path, check: Callable[[Path], object]) -> bool:
        """Bring an entry here, whole or not at all; False if the store has none.

        `check` is called with what was brought before it is in place, and raises if that is not what it should be.
        """
        aside = path.with_name(f".{uuid.uuid4().hex}")
        try:
            with self._answering():
                if not self._download(self._key(path), aside):
                    return False
            check(aside)
            try:
                os.replace(aside, path)
            except OSError:  # somebody else was faster
                if not path.exists():
                    raise
        finally:
            if aside.is_dir():
                shutil.rmtree(aside, ignore_errors=True)
            aside.unlink(missing_ok=True)
        return True

    def remove(self, path: Path) -> None:
        """The entry's copy; nothing if there is none."""
        key = self._key(path)
        with self._answering():
            if self._exists(f"{key}/{MANIFEST}"):
                self.filesystem.delete_file(f"{key}/{MANIFEST}")
            kind = self.filesystem.get_file_info(key).type.name
            if kind == "Directory":
                self.filesystem.delete_dir(key)
            elif kind == "File":
                self.filesystem.delete_file(key)

    def read_text(self, path: Path) -> str:
        """A file of an entry. Raises FileNotFoundError."""
        key = self._key(path)
        with self._answering():
            there = self._exists(key)
            content: bytes = self.filesystem.open_input_stream(key).read() if there else b""
        if not there:
            raise FileNotFoundError(f"{self.url}/{path.relative_to(self.root)}")
        return content.decode()

    def names(self, kind: str) -> list[str]:
        """Of the entries of a kind that are whole."""
        return sorted(entry.name for entry in self.entries(kind))

    def entries(self, kind: str = "") -> list[StoredEntry]:
        """What is whole in the store, of one kind or of all, in order of kind and name; one listing."""
        from pyarrow.fs import FileSelector, FileType

        base = f"{self.prefix}/{kind}" if kind else self.prefix
        with self._answering():
            listed = self.filesystem.get_file_info(
                FileSelector(base, recursive=True, allow_not_found=True)
            )  # fmt: skip
        found: dict[tuple[str, str], list[tuple[str, int, datetime]]] = {}
        for info in listed:
            parts = PurePosixPath(info.path.removeprefix(f"{self.prefix}/")).parts
            if info.type == FileType.File and len(parts) >= 2 and ".." not in parts:
                row = ("/".join(parts[2:]), info.size, info.mtime or datetime.now(UTC))
                found.setdefault((parts[0], parts[1]), []).append(row)
        return [
            StoredEntry(
                kind=kind, name=name, size=sum(row[1] for row in rows), changed_at=max(row[2] for row in rows)
            )
            for (kind, name), rows in sorted(found.items())
            if {row[0] for row in rows} & {"", MANIFEST}
        ]

    def _key(self, path: Path) -> str:
        return f"{self.prefix}/{path.relative_to(self.root).as_posix()}"

    def _exists(self, key: str) -> bool:
        return self.filesystem.get_file_info(key).type.name == "File"

    def _holds(self, path: Path) -> bool:
        """Whether a copy of this file is there, as long as it is."""
        found = self.filesystem.get_file_info(self._key(path))
        return found.type.name == "File" and found.size == path.stat().st_size

    def _make_folder(self, key: str) -> None:
        if self.filesystem.type_name not in {"s3", "gcs", "abfs"}:  # those have no folders
            self.filesystem.create_dir(key.rpartition("/")[0], recursive=True)

    def _upload(self, path: Path) -> None:
        key = self._key(path)
        self._make_folder(key)
        with path.open("rb") as source, self.filesystem.open_output_stream(key) as target:
            shutil.copyfileobj(source, target, _CHUNK)

    def _download(self, key: str, to: Path) -> bool:
        from pyarrow.fs import FileSelector, FileType

        to.parent.mkdir(parents=True, exist_ok=True)
        if self._exists(key):
            self._copy(key, to)
            return True
        if not self._exists(f"{key}/{MANIFEST}"):
            return False
        listed = self.filesystem.get_file_info(FileSelector(key, recursive=True))
        keys = [info.path for info in listed if info.type == FileType.File]
        _at_once(lambda one: self._copy(one, to / _inside(one, key)), keys)
        return True

    def _copy(self, key: str, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        with self.filesystem.open_input_stream(key) as source, to.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
            target.flush()
            os.fsync(target.fileno())

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """What the client raises, as one error that names the place."""
        try:
            yield
        except FileNotFoundError as error:
            raise CopiesUnreachable(f"{self.url}: {error}. Check {URL}: the bucket has to exist") from error
        except OSError as error:
            if error.errno in _OF_THIS_DISK:
                raise
            raise CopiesUnreachable(
                f"the object store of artifacts, {self.url}: {error}. Check that it answers, that {URL} and its "
                "login are right, and run the same command again: it goes on from here"
            ) from error


def copies_of(path: Path) -> Copies | None:
    """The store behind the folder of artifacts that `path` is or lies in; None where no store is named for it.

    Raises CopiesUnreachable for an address that names none.
    """
    url = os.environ.get(URL)
    if url in (None, "", LOCAL):
        return None
    home = os.environ.get(HOME) or ".recloop"
    root = Path(os.environ.get(ROOT) or Path(home) / "artifacts").expanduser().resolve()
    if not path.is_relative_to(root):
        return None
    return _opened(root, url.rstrip("/"), _endpoint())


def entry_of(path: Path) -> Copies | None:
    """As `copies_of`, for a path that is an entry itself."""
    copies = copies_of(path)
    return copies if copies is not None and path.parent.parent == copies.root else None


@lru_cache(maxsize=4)
def _opened(root: Path, url: str, endpoint: str) -> Copies:
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    parts = urlsplit(url)
    try:
        if parts.scheme == "s3":
            filesystem, prefix = _s3(endpoint), f"{parts.netloc}{parts.path}"
        elif parts.scheme in _NATIVE:
            filesystem, prefix = FileSystem.from_uri(url)
        elif parts.scheme:
            from fsspec.core import url_to_fs

            opened, prefix = url_to_fs(url)
            filesystem = PyFileSystem(FSSpecHandler(opened))
        else:
            raise ValueError("it begins with no scheme")
    except (ValueError, OSError, ImportError) as error:
        raise CopiesUnreachable(
            f"{URL} names no object store ({error}); write s3://bucket/prefix, or leave it out"
        ) from error
    return Copies(root=root, url=url, filesystem=filesystem, prefix=prefix.rstrip("/"))


def _s3(endpoint: str) -> FileSystem:
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    at = urlsplit(endpoint)
    return S3FileSystem(
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        endpoint_override=at.netloc or None,
        scheme=at.scheme or "https",
        connect_timeout=3,
        # without a byte, some 12 where the request has sent some; a large file takes as long as it takes
        request_timeout=6,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=2),
        allow_delayed_open=True,  # a small file is one request, not three
    )


def _endpoint() -> str:
    return next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")


def _inside(key: str, folder: str) -> PurePosixPath:
    """Where a file lies in its folder. A key that would lead out of it is refused."""
    name = PurePosixPath(key.removeprefix(f"{folder}/"))
    if name.is_absolute() or ".." in name.parts:
        raise OSError(f"the key {key!r} leads out of its folder")
    return name


def _at_once(work: Callable[[Any], None], entries: list[Any]) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(work, entries):
            pass
