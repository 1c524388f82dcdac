"""A file's bytes and lines, unpacked as they are read: never more than a line of it in memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from components.data.batch import DataContractError
from components.data.sources.files.bombs import metered

COMPRESSED = (".gz", ".zst", ".bz2", ".xz")
_MAX_LINE = 16_000_000  # characters; a longer one is no line of a table
_BROKEN = (EOFError, lzma.LZMAError, zlib.error, pa.ArrowException, OSError)  # what unpackers raise


def bare_suffix(path: Path) -> str:
    """The suffix that says what is inside: .csv of events.csv.gz."""
    inner = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return inner.suffix.lower()


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked by its suffix. Raises DataContractError where they break off."""
    try:
        with _unpacked(path) as file:
            yield file
    except FileNotFoundError:
        raise
    except _BROKEN as error:
        raise DataContractError(
            f"{path}: cannot be unpacked or read to its end ({error}). Copy or export the file again."
        ) from error


@contextmanager
def open_lines(path: Path, encoding: str) -> Iterator[Iterator[str]]:
    """The file's lines with their ends. Raises DataContractError naming the first line that is not so encoded."""
    with open_bytes(path) as file:
        text = io.TextIOWrapper(file, encoding=_known(path, encoding), newline="")
        try:
            yield _bounded(path, text)
        except UnicodeDecodeError as error:
            raise DataContractError(_not_decoded(path, encoding, error)) from error
        except UnicodeError as error:  # UTF-16 without its mark
            raise DataContractError(f"{path}: is not {encoding} text ({error}).") from error


def _bounded(path: Path, text: IO[str]) -> Iterator[str]:
    number = 0
    while line := text.readline(_MAX_LINE):
        number += 1
        if len(line) == _MAX_LINE:
            raise DataContractError(
                f"{path}: line {number:,} has more than {_MAX_LINE:,} characters: this is no table of lines."
            )
        yield line


def _unpacked(path: Path) -> Any:  # binary files, which share no type
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return metered(path, gzip.open(path, "rb"))
    if suffix == ".bz2":
        return metered(path, bz2.open(path, "rb"))
    if suffix == ".xz":
        return metered(path, lzma.open(path, "rb"))
    if suffix == ".zst":
        unpacked = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        return metered(path, io.BufferedReader(unpacked))
    return path.open("rb")


def _known(path: Path, encoding: str) -> str:
    try:
        "".encode(encoding)
    except (LookupError, UnicodeError) as error:  # `undefined` is one that encodes nothing
        raise DataContractError(
            f"{path}: no encoding is called {encoding!r}. Say one of utf-8, latin-1, cp1252, utf-16, "
            "shift_jis, gb18030."
        ) from error
    return encoding


def _not_decoded(path: Path, encoding: str, error: UnicodeDecodeError) -> str:
    with open_bytes(path) as file:
        start = file.read(2)
    if start in (b"\xff\xfe", b"\xfe\xff"):
        return f"{path}: is UTF-16, not UTF-8. Say --encoding utf-16."
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as at:
                shown = line[max(at.start - 20, 0) : at.end + 20].decode("latin-1")
                return (
                    f"{path}: cannot be read as {encoding.removesuffix('-sig').upper()}: line {number:,} "
                    "holds the byte "
                    f"0x{line[at.start]:02x} ({shown!r} if it were latin-1). Say how the file is encoded, such as "
                    "--encoding latin-1 or --encoding cp1252, or export it again as UTF-8."
                )
    return f"{path}: cannot be read as {encoding} ({error}). Say how the file is encoded with --encoding."
