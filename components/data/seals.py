"""Rows that carry the SHA-256 of what was written, so that one that was changed behind recloop, or exchanged for
another, is not taken for what it was. Rows that nobody may take away either are chained besides: see `chain`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Table

SEAL = "row_hash"
_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=repr)
_SEALED = {
    "stage_journal": ("key", "stage", "run", "output", "seconds", "peak_mb", "finished_at"),
    "quarantine": (
        "batch_id", "kind", "source_row", "payload", "reasons", "state", "resolved_at", "resolved_batch_id",
        "resolution",
    ),
}  # fmt: skip


class RowChanged(Exception):
    """A row is not what was written: names table and row, and the fix."""


def content_hash(table: Table, row: Mapping[Any, Any], names: Iterable[str]) -> str:
    """SHA-256 of these columns as JSON. Nulls are left out: a column more leaves old hashes as they are."""
    types = _types(table)
    values = {
        name: value if type(value) is types[name] else _plain(types[name], value)
        for name in names
        if (value := row.get(name)) is not None
    }
    return hashlib.sha256(_JSON.encode(values).encode()).hexdigest()


def seal_of(table: Table, row: Mapping[Any, Any]) -> str:
    """What a row of these tables carries as SEAL."""
    return content_hash(table, row, _SEALED[table.name])


def is_as_written(table: Table, row: Mapping[Any, Any]) -> bool:
    return bool(seal_of(table, row) == row[SEAL])


@cache
def _types(table: Table) -> dict[str, type[Any]]:
    return {column.name: column.type.python_type for column in table.columns}


def _plain(type_: type[Any], value: Any) -> Any:
    """As the database gives it back: a whole number in a column of floats is a float."""
    try:
        return type_(value)
    except (TypeError, ValueError):
        return value
