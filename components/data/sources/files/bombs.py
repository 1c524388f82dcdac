"""Small files that unpack to what fills the memory: refused before it is full.

Deflate makes a thousandth of a text that repeats itself, zstd and parquet's run lengths a millionth. Tables of events
come to a fifth or a twentieth, sparse vectors to a 400th; what comes to less than a 200th and to more than memory holds
with ease is taken for none.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from components.data.batch import DataContractError

LARGE_BYTES = 256 * 2**20
_TIMES = 200
_LARGE_ROWS, _ROWS_A_BYTE = 1_000_000, 50
_AT_ONCE = 2**18


def metered(path: Path, unpacked: Any) -> io.BufferedReader:
    """The unpacked bytes. Reading on raises DataContractError once they are too many for the file."""
    return io.BufferedReader(_Metered(path, unpacked), _AT_ONCE)


class _Metered(io.RawIOBase):
    def __init__(self, path: Path, unpacked: Any) -> None:
        self._path, self._unpacked, self._count = path, unpacked, 0
        self._most = max(LARGE_BYTES, _TIMES * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._unpacked.readinto(buffer)
        self._count += count
        if self._count > self._most:
            raise _refusal(self._path, f"{self._most:,} bytes and goes on")
        return count

    def close(self) -> None:
        if not self.closed:
            self._unpacked.close()
        super().close()


def refuse_bomb(path: Path, opened: pq.ParquetFile) -> None:
    """Raise DataContractError for a parquet file that says that it holds far more than it can."""
    size, told = path.stat().st_size, opened.metadata
    unpacked = sum(told.row_group(number).total_byte_size for number in range(told.num_row_groups))
    if unpacked > max(LARGE_BYTES, _TIMES * size):
        raise _refusal(path, f"{unpacked:,} bytes")
    if told.num_rows > max(_LARGE_ROWS, _ROWS_A_BYTE * size):
        raise _refusal(path, f"{told.num_rows:,} rows")


def _refusal(path: Path, what: str) -> DataContractError:
    return DataContractError(
        f"{path}: has {path.stat().st_size:,} bytes and unpacks to {what}: no table of events, items or vectors does. "
        "If it is one nevertheless, write it in more parts, or, where it is a packed text, name what it unpacks to."
    )
