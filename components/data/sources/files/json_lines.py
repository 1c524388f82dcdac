"""JSON lines: one object a line, its keys the columns. A key that stands twice, or a line cut off, is named."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.data.batch import DataContractError
from components.data.sources.files.form import FileForm, RawTable
from components.data.sources.files.opened import open_lines

_LINES_FOR_NAMES = 1000
_MAX_PRINTED = 200_000  # characters of a line that Python printed


class _Repeated(ValueError):
    """A key that stands twice in one object."""


def json_names(path: Path, form: FileForm) -> list[str]:
    """The keys of the first lines, in order of appearance."""
    names: dict[str, None] = {}
    with open_lines(path, form.text_encoding) as lines:
        for row in islice(_objects(path, lines), _LINES_FOR_NAMES):
            names |= dict.fromkeys(row)
    if not names:
        raise DataContractError(f"{path}: has no rows. Export it again, one JSON object a line.")
    return list(names)


def read_json_lines(path: Path, form: FileForm, *, wanted: Collection[str]) -> RawTable:
    """The wanted keys as columns, null where a line lacks one. Raises DataContractError naming the line."""
    values: dict[str, list[Any]] = {name: [] for name in wanted}
    with open_lines(path, form.text_encoding) as lines:
        for row in _objects(path, lines):
            for name, column in values.items():
                column.append(row.get(name))
    return RawTable(path=path, table=pa.table({name: as_array(column) for name, column in values.items()}))


def sample_json_lines(path: Path, form: FileForm, *, num_rows: int) -> list[dict[str, Any]]:
    """The first objects."""
    with open_lines(path, form.text_encoding) as lines:
        return list(islice(_objects(path, lines), num_rows))


def as_array(values: list[Any]) -> pa.Array:
    """Python values as one column; values of several types become text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeError):
        return pa.array([None if value is None else _text(value) for value in values], type=pa.string())


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # half a character is no text; NUL in its place is what the contracts refuse by name
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\ufffd", "\x00")


def _objects(path: Path, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_distinct)
        except (ValueError, RecursionError) as error:
            row = None if isinstance(error, _Repeated) else _printed_dict(line)
            if row is None:
                raise DataContractError(_bad_line(path, number, line, error)) from error
        if not isinstance(row, dict):
            raise DataContractError(
                f"{path}: line {number:,} is no JSON object ({line.strip()[:80]!r}). Write one object a line."
            )
        yield row


def _printed_dict(line: str) -> dict[str, Any] | None:
    """A line that Python printed (`{'user': 'u1'}`), as older public data sets have them."""
    if not line.startswith("{") or "'" not in line or len(line) > _MAX_PRINTED:
        return None
    try:
        row = ast.literal_eval(line)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return row if isinstance(row, dict) else None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Repeated(next(name for name in names if names.count(name) > 1))
    return row


def _bad_line(path: Path, number: int, line: str, error: Exception) -> str:
    if isinstance(error, _Repeated):
        return (
            f"{path}: line {number:,} has the key {str(error)!r} twice, and which value is meant cannot be told. "
            "Write each key once."
        )
    if number == 1 and line.lstrip().startswith(("[", "{")):
        return (
            f"{path}: is JSON, but not one object a line ({line.strip()[:60]!r}). Write it as JSON lines, for example "
            f"with: jq -c '.[]' {path.name} > {path.stem}.jsonl"
        )
    if not line.endswith("\n"):
        return f"{path}: line {number:,}, the last, is cut off ({line[-80:]!r}). Export the file again."
    return f"{path}: line {number:,} is no JSON ({error}): {line.strip()[:80]!r}. Write one object a line."
