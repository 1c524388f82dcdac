"""Which column of another file holds the items that the events speak of: told by its values, whatever it is called."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from components.data.batch import DataContractError
from components.data.sources.columns.ids import read_ids

_SAMPLED = 100  # ids of the events that are looked for
_ENOUGH = 0.5  # of them, in a column that may be meant
_DISTINCT = 0.9  # of a column's values, where a row is an item


@dataclass(frozen=True, kw_only=True)
class MatchedColumn:
    """A column whose values are the events' items."""

    column: str
    found: int  # of the sampled ids
    sampled: int

    @property
    def told(self) -> str:
        return f"{self.found:,} of {self.sampled:,} sampled items are in {self.column!r}"


def matched_column(
    items: pa.ChunkedArray, table: pa.Table, *, without: Collection[str] = ()
) -> MatchedColumn | None:
    """The column with the most of the events' items, of those that hardly repeat a value; None where none has half.

    `items` is the events' column of items, as far as it was looked at; `without` are columns that mean something else.
    """
    wanted = list(dict.fromkeys(_ids(items)))[:_SAMPLED]
    best: MatchedColumn | None = None
    for name in table.column_names:
        held = _ids(table.column(name)) if name not in without else []
        distinct = set(held)
        if not wanted or not held or len(distinct) < _DISTINCT * len(held):
            continue
        found = sum(item in distinct for item in wanted)
        if found >= _ENOUGH * len(wanted) and (best is None or found > best.found):
            best = MatchedColumn(column=name, found=found, sampled=len(wanted))
    return best


def _ids(column: pa.ChunkedArray) -> list[str]:
    """As ids are read; none of a column that can hold none."""
    try:
        ids = read_ids(column, name="", path=Path()).ids
    except (DataContractError, pa.ArrowException):
        return []
    return [item for item in ids if item is not None]
