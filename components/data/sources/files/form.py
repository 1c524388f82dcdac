"""What has to be known of a file to read it as a table, and the table that was read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from components.data.batch import DataContractError


@dataclass(frozen=True, kw_only=True)
class FileForm:
    """None: as the file's name and first line tell."""

    delimiter: str | None = None  # one character, or ::
    encoding: str | None = None  # None: UTF-8
    header: tuple[str, ...] | None = None  # names of the columns of a file that has no header line
    quoted: bool = True  # whether " encloses a field
    typed_header: bool = False  # the header says `column:type`, as RecBole's does

    @property
    def text_encoding(self) -> str:
        # -sig: a mark in front of the first name, as spreadsheets write it, is no part of the name
        told = self.encoding or "utf-8"
        return "utf-8-sig" if told.lower() in {"utf-8", "utf8"} else told


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """A file's columns as they stand in it: text of delimited files, whatever JSON lines and parquet hold."""

    path: Path
    table: pa.Table  # no name stands twice
    remarks: tuple[str, ...] = ()  # what was guessed, and why


def named_columns(path: Path, names: list[str]) -> list[str]:
    """The names without blanks around them. Raises DataContractError where one stands twice."""
    clean = [name.strip(" \t\r\n\ufeff") for name in names]
    for name in clean:
        if name and clean.count(name) > 1:
            raise DataContractError(
                f"{path}: the name {name!r} stands {_times(clean.count(name))} in the header, and which "
                "column is meant "
                "cannot be told. Rename or remove one."
            )
    return clean


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"
