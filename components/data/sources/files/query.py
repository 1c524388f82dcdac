"""A table that a database answers with: the rows of one SQL query, a few thousand at a time.

The database is named by an environment variable that holds its SQLAlchemy URL, so that no password stands in a file,
or by the URL itself where it has none.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import CursorResult, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.files.form import RawTable, named_columns
from components.data.sources.files.json_lines import as_array
from components.shown_address import shown_address, without_secrets

_ROWS_AT_ONCE = 10_000


def query_names(path: Path, database: str, query: str) -> list[str]:
    """The columns that the query gives. `path` is where the query stands. Raises as `read_query` does."""
    with _answer(path, database, query) as rows:
        return named_columns(path, list(rows.keys()))


def read_query(path: Path, database: str, query: str, *, wanted: Collection[str]) -> RawTable:
    """The wanted columns of all rows.

    Raises SourceUnavailable where the database cannot be reached, DataContractError for a query that it refuses.
    """
    with _answer(path, database, query) as rows:
        names = named_columns(path, list(rows.keys()))
        at = {name: names.index(name) for name in wanted}
        values: dict[str, list[Any]] = {name: [] for name in wanted}
        for part in rows.partitions(_ROWS_AT_ONCE):
            for name, column in values.items():
                column.extend(row[at[name]] for row in part)
    return RawTable(path=path, table=pa.table({name: as_array(column) for name, column in values.items()}))


@contextmanager
def _answer(path: Path, database: str, query: str) -> Iterator[CursorResult[Any]]:
    engine = create_engine(_url(path, database))
    try:
        with engine.connect().execution_options(stream_results=True) as connection:
            yield connection.execute(text(query))  # never committed
    except SQLAlchemyError as error:
        url = engine.url.render_as_string(hide_password=False)
        where, told = shown_address(url), str(getattr(error, "orig", None) or error).splitlines()[0]
        told = without_secrets(told, url)
        kind = SourceUnavailable if "connect" in told or "open" in told else DataContractError
        raise kind(
            f"{path}: {where} does not answer {query[:200]!r}: {told}. Try the query there by itself."
        ) from error
    finally:
        engine.dispose()


def _url(path: Path, database: str) -> str:
    url = os.environ.get(database, database)
    try:
        made = make_url(url)
        made.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise DataContractError(
            f"{path}: database {database!r} is neither a SQLAlchemy URL, such as sqlite:///shop.db, nor an environment "
            "variable that holds one."
        ) from error
    if url == database and made.password is not None:
        raise DataContractError(
            f"{path}: the database's URL holds a password. Put the URL into an environment variable, and its name here."
        )
    return url
