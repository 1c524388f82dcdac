"""Lists of recommendations as rows of the table: column by column, so that a million rows cost seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from components.data.columns import micros, nullable
from components.data.schema import recommendations

LIST_COLUMNS = ("user_id", "rank", "item_id", "score", "features_as_of", "scored_at")
_MOMENTS = frozenset({"features_as_of", "scored_at"})
Lists: TypeAlias = "pd.DataFrame | pa.Table"
Columns = Mapping[str, Sequence[Any]]  # of LIST_COLUMNS, moments in microseconds


def columns_of(lists: Lists) -> Columns:
    """LIST_COLUMNS as Python values. Raises ValueError if one is missing."""
    names = lists.column_names if isinstance(lists, pa.Table) else lists.columns
    if lacking := [name for name in LIST_COLUMNS if name not in names]:
        raise ValueError(f"lists have no column {lacking[0]!r}; they hold {', '.join(LIST_COLUMNS)}")
    if isinstance(lists, pa.Table):
        return {name: _from_arrow(lists[name], name in _MOMENTS) for name in LIST_COLUMNS}
    return {name: (micros if name in _MOMENTS else nullable)(lists[name]).tolist() for name in LIST_COLUMNS}


def whole_lists(users: Sequence[str], rows_at_once: int) -> Iterator[slice]:
    """Runs of about `rows_at_once` rows that end where a user's rows end.

    Raises ValueError if the rows of a user do not stand together.
    """
    of_row = np.array(users, dtype=object)
    begins = np.flatnonzero(np.concatenate([[True], of_row[1:] != of_row[:-1]])) if len(of_row) else of_row
    if len(begins) != len(set(of_row[begins.astype(np.int64)].tolist())):
        raise ValueError("the rows of a user do not stand together; sort the lists by user_id and rank")
    begin = 0
    for end in [*begins[1:].tolist(), len(of_row)]:
        if end - begin >= rows_at_once or (end == len(of_row) and end > begin):
            yield slice(begin, end)
            begin = end


def insert_lists(
    connection: Connection, columns: Columns, rows: slice, *, run: str, model_version: str
) -> int:
    """Insert what is not there; returns how much that was."""
    chosen = [columns[name][rows] for name in LIST_COLUMNS]
    number = len(chosen[0])
    names = (*LIST_COLUMNS, "run", "model_version")
    return insert_new(connection, names, [*chosen, [run] * number, [model_version] * number])


def insert_new(connection: Connection, names: Sequence[str], columns: Sequence[Sequence[Any]]) -> int:
    """Rows given by columns, those that are there left as they are; returns how many are new."""
    is_postgresql = connection.dialect.name == "postgresql"
    statement = (postgresql if is_postgresql else sqlite).insert(recommendations).on_conflict_do_nothing()
    rows = zip(*columns, strict=True)
    if is_postgresql:
        return connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows]).rowcount
    # the driver's own executemany: a dictionary a row costs SQLAlchemy four times what SQLite needs
    compiled = statement.values(dict.fromkeys(names)).compile(dialect=connection.dialect)
    assert compiled.positiontup is not None
    place = [names.index(name) for name in compiled.positiontup]
    ordered = [tuple(row[at] for at in place) for row in rows]
    return connection.exec_driver_sql(str(compiled), ordered).rowcount


def _from_arrow(column: pa.ChunkedArray, is_moment: bool) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_moment:
        column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values
