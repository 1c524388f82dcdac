"""The tables that lie in a folder: files, folders of parts, and files whose names differ in a number alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from components.data.batch import DataContractError
from components.data.sources.files.form import FileForm
from components.data.sources.files.opened import bare_suffix
from components.data.sources.files.parts import folder_values, joined, parts_in, with_folder_values
from components.data.sources.files.reading import DELIMITED, JSON_LINES, PARQUET, sample_file
from components.data.sources.unnamed import form_by_look

_MAX_FILES = 200
_MAX_ROWS = 100_000
_NUMBER = re.compile(r"[0-9]+(?:[-_.][0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """The first rows of a table, and how its file was read."""

    rows: pa.Table
    form: FileForm


def tables_in(root: Path) -> tuple[dict[str, Sampled], list[str]]:
    """Name or pattern → the first rows; and what could not be looked at, with the reason."""
    tables: dict[str, Sampled] = {}
    unread = []
    for path in sorted(root.iterdir())[:_MAX_FILES]:
        try:
            if path.is_dir() and parts_in(path):
                tables[path.name] = _of_folder(path)
            elif path.is_file() and bare_suffix(path) in (*DELIMITED, *JSON_LINES, *PARQUET):
                form = form_by_look(path)
                tables[path.name] = Sampled(rows=sample_file(path, form), form=form)
        except DataContractError as error:
            unread.append(str(error).removeprefix(f"{root}/"))
    return _grouped(tables), unread


def more_rows(root: Path, name: str, form: FileForm) -> pa.Table:
    """The first 100,000 rows of a table of `tables_in`, over its parts."""
    paths = sorted(root.glob(name)) if "*" in name else list(parts_in(root / name)) or [root / name]
    parts: dict[Path, pa.Table] = {}
    for path in paths:
        if (left := _MAX_ROWS - sum(part.num_rows for part in parts.values())) <= 0:
            break
        parts[path] = sample_file(path, form, num_rows=left)
    return joined(parts)


def example_of(column: pa.ChunkedArray) -> str:
    """Its first value, cut for a line."""
    first = next((value for value in column.to_pylist() if value not in (None, "")), "")
    text = str(first)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _of_folder(folder: Path) -> Sampled:
    first = parts_in(folder)[0]
    form = form_by_look(first)
    sample = sample_file(first, form)
    told = folder_values(first)
    rows = with_folder_values(sample, told, list(dict.fromkeys([*sample.column_names, *told])))
    return Sampled(rows=rows, form=form)


def _grouped(tables: dict[str, Sampled]) -> dict[str, Sampled]:
    """Files of one name but for a number, and of one header, stand as a pattern."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, table in tables.items():
        groups.setdefault((_pattern(name), *sorted(table.rows.column_names)), []).append(name)
    return {
        (pattern if len(names) > 1 else names[0]): tables[names[0]] for (pattern, *_), names in groups.items()
    }


def _pattern(name: str) -> str:
    stem, dot, suffixes = name.partition(".")
    number, _, rest = suffixes.partition(".")
    if _NUMBER.fullmatch(number):  # clicks.2024.csv
        return f"{stem}.[0-9]*.{rest}"
    return f"{_NUMBER.sub('[0-9]*', stem)}{dot}{suffixes}"
