"""The parquet files behind the offline store once more as tables, where Feast joins in PostgreSQL.

RECLOOP_FEAST_OFFLINE_URL names the database; without it nothing here does anything. A table a view, offline_<view>,
holds the rows of all its files, each under the file's name, and is replaced file by file in one transaction. The files
stay what rows are merged in and what batch scoring reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from components.features.store.addresses import OFFLINE, offline_url

if TYPE_CHECKING:
    from psycopg import Connection

_TYPES = {
    pa.string(): "text",
    pa.bool_(): "boolean",
    pa.int64(): "bigint",
    pa.float32(): "real",
    pa.timestamp("us", tz="UTC"): "timestamptz",
}
_PART = "offline_part"  # the file that a row is of


class OfflineStoreUnreachable(Exception):
    """The database of the offline store does not answer, or refuses; names the variable and the cause."""


def table_name(view: str) -> str:
    return f"offline_{view}"


def bring_up(views: Mapping[str, tuple[Path, pa.Schema]]) -> None:
    """Make the tables that are missing, and copy files that a table has nothing of. `views`: name -> folder, schema.

    Raises OfflineStoreUnreachable.
    """
    with _connected() as connection:
        if connection is None:
            return
        for view, (folder, schema) in views.items():
            _make(connection, view, schema)
            rows = connection.execute(f'SELECT DISTINCT {_PART} FROM "{table_name(view)}"')  # noqa: S608 - a name of ours
            there = {part for (part,) in rows}
            for path in sorted(folder.glob("*.parquet")):
                if path.name not in there:
                    _fill(connection, view, path.name, pq.read_table(path))


def replace_part(view: str, part: str, table: pa.Table) -> None:
    """The rows of one file, in place of what the table had under its name. Raises OfflineStoreUnreachable."""
    with _connected() as connection:
        if connection is not None:
            _make(connection, view, table.schema)
            _fill(connection, view, part, table)


@contextmanager
def _connected() -> Iterator[Connection | None]:
    """One transaction; None where the files are the store."""
    url = offline_url()
    if url is None:
        yield None
        return
    import psycopg

    try:
        with psycopg.connect(url) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise OfflineStoreUnreachable(
            f"the database of the offline store: {str(error).strip()}. Check that it runs and that {OFFLINE} is right."
        ) from error


def _make(connection: Connection, view: str, schema: pa.Schema) -> None:
    name, columns = table_name(view), ", ".join(f'"{field.name}" {_type(field.type)}' for field in schema)
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"recloop {name}",))
    connection.execute(f'CREATE TABLE IF NOT EXISTS "{name}" ({columns}, {_PART} text NOT NULL)')
    connection.execute(f'CREATE INDEX IF NOT EXISTS "{name}_part" ON "{name}" ({_PART})')
    key = schema.names[0]
    connection.execute(f'CREATE INDEX IF NOT EXISTS "{name}_key" ON "{name}" ("{key}", event_timestamp)')


def _fill(connection: Connection, view: str, part: str, table: pa.Table) -> None:
    name = table_name(view)
    connection.execute(f'DELETE FROM "{name}" WHERE {_PART} = %s', (part,))  # noqa: S608 - a name of ours
    columns = ", ".join(f'"{column}"' for column in (*table.column_names, _PART))
    with connection.cursor() as cursor, cursor.copy(f'COPY "{name}" ({columns}) FROM STDIN') as copy:
        for batch in table.to_batches(max_chunksize=1000):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                copy.write_row((*row, part))


def _type(of: pa.DataType) -> str:
    return f"{_TYPES[of.value_type]}[]" if pa.types.is_list(of) else _TYPES[of]
