"""Many rows at once, in the way in which each database takes them fastest, within the caller's transaction.

SQLite: the driver's own executemany. PostgreSQL: COPY. Both cost the same for every row; what is left is the upkeep of
indexes, which is cheap where rows come in the order of the primary key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.csv
from sqlalchemy import Connection
from sqlalchemy import Table as SqlTable
from sqlalchemy.exc import DBAPIError

# null: nothing; "": a text
_AS_CSV = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")


def append_rows(connection: Connection, table: SqlTable, rows: pa.Table) -> None:
    """Insert rows whose columns are called as the table's. Texts hold no NUL."""
    names = ", ".join(f'"{name}"' for name in rows.column_names)
    if connection.dialect.name == "postgresql":
        _copy(connection, f"COPY \"{table.name}\" ({names}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')", rows)
        return
    marks = ", ".join("?" * rows.num_columns)
    values = list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
    if values:
        statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608 - names of our own schema
        connection.exec_driver_sql(statement, values)


@contextmanager
def without_indexes(connection: Connection, table: SqlTable, *, when: bool) -> Iterator[None]:
    """On SQLite, and only `when` told, secondary indexes are made behind the rows, by sorting, in this transaction.

    On PostgreSQL that would lock out readers, so indexes are kept up row by row.
    """
    indexes = (
        sorted(table.indexes, key=lambda index: str(index.name))
        if when and connection.dialect.name == "sqlite"
        else []
    )
    for index in indexes:
        index.drop(connection)
    yield
    for index in indexes:
        index.create(connection)


def _copy(connection: Connection, statement: str, rows: pa.Table) -> None:
    text = BytesIO()
    pyarrow.csv.write_csv(rows, text, _AS_CSV)
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(text.getbuffer())
    except connection.dialect.loaded_dbapi.Error as error:
        lost = connection.dialect.is_disconnect(error, driver, None)
        raise DBAPIError.instance(
            statement, None, error, connection.dialect.loaded_dbapi.Error, dialect=connection.dialect,
            connection_invalidated=lost,
        ) from error  # fmt: skip
