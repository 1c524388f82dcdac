"""The parquet files behind the offline store once more as tables, where Feast joins in PostgreSQL.

RECLOOP_FEAST_OFFLINE_URL names the database; without it nothing here does anything. A table a view, offline_<view>,
holds the rows of all its files, each under the file's name, and is replaced file by file in one transaction. The files
are what rows are merged in and what batch scoring reads, and this machine's copy: one that is missing here, or that
another machine has replaced since, is written anew from the database when the store is opened.
"""

from __future__ import annotations

import os
import uuid
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
_PARTS = "offline_parts"  # which version of each file the database holds
_VERSION = b"recloop.version"  # in the metadata of a file


class OfflineStoreUnreachable(Exception):
    """The database of the offline store does not answer, or refuses; names the variable and the cause."""


def table_name(view: str) -> str:
    return f"offline_{view}"


def bring_up(views: Mapping[str, tuple[Path, pa.Schema]]) -> None:
    """Make the tables that are missing, fill them with files that they do not know, and write files anew that are
    missing here or of another version. `views`: name -> folder, schema. Raises OfflineStoreUnreachable.
    """
    with _connected() as connection:
        if connection is None:
            return
        for view, (folder, schema) in views.items():
            _make(connection, view, schema)
            rows = connection.execute(f"SELECT part, version FROM {_PARTS} WHERE view = %s", (view,))  # noqa: S608
            there: dict[str, str] = dict(rows.fetchall())
            here = {path.name: path for path in sorted(folder.glob("*.parquet"))}
            for part in sorted(here.keys() - there.keys()):
                table = versioned(pq.read_table(here[part]))
                _fill(connection, view, part, table)
                _write(here[part], table)
            for part, version in sorted(there.items()):
                if part not in here or _version(pq.read_schema(here[part])) != version:
                    _write(folder / part, _taken(connection, view, part, schema, version))


def versioned(table: pa.Table) -> pa.Table:
    """The same rows under a version of their own, by which `bring_up` knows a file; as they are without a database."""
    if offline_url() is None:
        return table
    return table.replace_schema_metadata({_VERSION: uuid.uuid4().hex})


def replace_part(view: str, part: str, table: pa.Table) -> None:
    """The rows of one file, `versioned`, in place of what the database had under its name.

    Raises OfflineStoreUnreachable.
    """
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
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"recloop {_PARTS}",))
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {_PARTS} (view text, part text, version text NOT NULL, PRIMARY KEY (view, part))"
    )
    name, columns = table_name(view), ", ".join(f'"{field.name}" {_type(field.type)}' for field in schema)
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
    connection.execute(
        f"INSERT INTO {_PARTS} VALUES (%s, %s, %s) ON CONFLICT (view, part) DO UPDATE SET version = excluded.version",  # noqa: S608
        (view, part, _version(table.schema)),
    )


def _taken(connection: Connection, view: str, part: str, schema: pa.Schema, version: str) -> pa.Table:
    """The rows of a file as the database holds them, in the order of key and moment."""
    columns = ", ".join(f'"{name}"' for name in schema.names)
    query = f'SELECT {columns} FROM "{table_name(view)}" WHERE {_PART} = %s ORDER BY "{schema.names[0]}" COLLATE "C"'  # noqa: S608
    with connection.cursor() as cursor:
        rows = cursor.execute(f"{query}, event_timestamp", (part,)).fetchall()
    columns_of = zip(*rows, strict=True) if rows else ((),) * len(schema)
    arrays = [pa.array(list(values), field.type) for values, field in zip(columns_of, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema).replace_schema_metadata({_VERSION: version})


def _write(path: Path, table: pa.Table) -> None:
    aside = path.with_name(f".{uuid.uuid4().hex}")
    pq.write_table(table, aside)
    os.replace(aside, path)


def _version(schema: pa.Schema) -> str:
    return (schema.metadata or {}).get(_VERSION, b"").decode()


def _type(of: pa.DataType) -> str:
    return f"{_TYPES[of.value_type]}[]" if pa.types.is_list(of) else _TYPES[of]
