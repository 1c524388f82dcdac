"""The warehouse: one SQL database, brought to the newest schema when it is opened.

SQLite needs two things said: WAL, so that readers and the writer do not wait for each other, and
`BEGIN IMMEDIATE` for writers, since a reader that turns writer under WAL fails with "database is locked"
however long it waits. On PostgreSQL a transaction-long advisory lock takes the place of the latter.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from sqlalchemy import (
    ARRAY,
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    any_,
    column,
    create_engine,
    event,
    func,
    inspect,
    literal,
    make_url,
    select,
    table,
)  # fmt: skip
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
)

from components.data.damage import damage_behind, damage_in, is_full, is_lost
from components.data.read_only import read_only_engine, read_only_url
from components.shown_address import shown_address, without_secrets

_MIGRATIONS = Path(__file__).parent / "migrations"
_ALEMBIC = "alembic_version"  # its table
_WRITER = "recloop_writer"
_VALUES_A_QUERY = 10_000
_CACHE_KIB = 64 * 1024  # SQLite's own 2 MB makes a landing of 100,000 events twice as slow
_BUSY_SECONDS = 60.0  # a landing of a large batch holds the write lock for seconds
_CONNECT_SECONDS = 10  # psycopg's own 130 hang a command whose database takes connections and says nothing


class WarehouseUnreachable(Exception):
    """The database cannot be opened or used: names the URL (without its password) and the fix."""


class UnknownSchema(Exception):
    """The database stands at a migration that this checkout has not."""


def open_warehouse(url: str) -> Engine:
    """Connect, and migrate to the newest schema; safe when several processes do it at once.

    A SQLite file that this user may not write is opened to be read, if its schema is the newest.

    Raises WarehouseUnreachable.
    """
    address, shown = _parsed(url), shown_address(url)
    try:
        if (readable := read_only_url(address)) is not None:
            return _reader(readable)
        with _alone(address):
            engine = _connect(address)
            _migrate(engine)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise WarehouseUnreachable(
            f"{shown}: no driver for it ({error}). Install one (PostgreSQL: pip install 'psycopg[binary]'), "
            "or name another RECLOOP_WAREHOUSE_URL"
        ) from error
    except UnknownSchema as error:
        raise WarehouseUnreachable(
            f"{shown}: its schema is not one of this checkout ({error}). Update the checkout, or name "
            "another RECLOOP_WAREHOUSE_URL"
        ) from error
    except UnicodeDecodeError as error:  # of SQLite's own message
        raise WarehouseUnreachable(
            f"{shown}: a name in its schema is no text any more, so the file was changed by something other than "
            "SQLite, or the disk fails. Move the home away, and put it back from a backup (`recloop restore`)"
        ) from error
    except (DBAPIError, sqlite3.Error, OSError) as error:
        cause = without_secrets(str(error.orig if isinstance(error, DBAPIError) else error).strip(), url)
        raise WarehouseUnreachable(
            f"{shown}: {cause}. Check that the address is right, that the database runs, and that this "
            "user may write there, or name another RECLOOP_WAREHOUSE_URL"
        ) from error
    return engine


def _parsed(url: str) -> URL:
    """The address in its parts, unless a password is written so that a piece of it would be taken for another part."""
    try:
        address = make_url(url)
        is_whole = address.password is None or url.count("@") == 1
    except (ArgumentError, ValueError):  # what either says holds a piece of the address
        is_whole = False
    if not is_whole:
        raise WarehouseUnreachable(
            "RECLOOP_WAREHOUSE_URL is not a database URL. Write it like "
            "sqlite:////folder/warehouse.db or postgresql+psycopg://user:password@host/name, with @ : / ? # and % "
            "in a password as %40 %3A %2F %3F %23 and %25, and @ in a parameter as %40"
        )
    return address


@contextmanager
def writing(engine: Engine, what: str) -> Iterator[Connection]:
    """A transaction that excludes every other one that writes `what` (on SQLite: every other writer).

    Commits at the end, rolls back on an exception. Raises WarehouseUnreachable if the connection is lost in it, or
    the disk is full.
    """
    with _transaction(engine, {_WRITER: True}) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"recloop {what}"))))
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction in which all reads see one state, whatever is written meanwhile.

    Raises WarehouseUnreachable if the connection is lost in it.
    """
    level = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with _transaction(engine, level) as connection:
        yield connection


@contextmanager
def _transaction(engine: Engine, options: dict[str, Any]) -> Iterator[Connection]:
    """A server that goes away in the midst of it, and a full disk, have rolled it back: say so, and how to go on."""
    shown = shown_address(engine.url.render_as_string(hide_password=False))
    try:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
    except UnicodeDecodeError as error:  # of SQLite's message about a schema that was damaged?
        if (damage := damage_in(engine)) is None:
            raise
        raise WarehouseUnreachable(f"{shown}: {damage}") from error
    except DBAPIError as error:
        if is_full(error):
            raise WarehouseUnreachable(
                f"{shown}: {str(error.orig).strip()}. Nothing of what was being written is there. Free space where the "
                "database lies (SQLite needs room for it twice, in its file and in the -wal file beside it) and in the "
                "folder of temporary files where it sorts indexes (SQLITE_TMPDIR, else /var/tmp), and run the same "
                "command again"
            ) from error
        if (damage := damage_behind(error, engine)) is not None:
            raise WarehouseUnreachable(f"{shown}: {damage}") from error
        if engine.dialect.name == "sqlite" or not is_lost(error):
            raise
        raise WarehouseUnreachable(
            f"{shown}: {str(error.orig).strip()}. Check that the address is right and that the database runs, or "
            "name another RECLOOP_WAREHOUSE_URL. Nothing is there by half: what was being written has been "
            "rolled back or, if only the answer to its end was lost, is there whole. Run the same command again"
        ) from error


def rows_where(
    connection: Connection, key: Column[Any], values: Sequence[str] | Sequence[int], *more: Column[Any]
) -> Iterator[Row[Any]]:
    """Rows (key, *more) whose key is among the values, however many these are."""
    for at in range(0, len(values), _VALUES_A_QUERY):
        some = list(values[at : at + _VALUES_A_QUERY])
        yield from connection.execute(select(key, *more).where(_among(connection, key, some)))


def _among(connection: Connection, key: Column[Any], values: list[Any]) -> ColumnElement[bool]:
    """The key is one of the values, which are sent as one: a variable each takes ten times as long."""
    if connection.dialect.name == "postgresql":
        return key == any_(literal(values, ARRAY(key.type)))
    if any(isinstance(value, str) and "\0" in value for value in values):
        return key.in_(values)  # JSON's \u0000 ends a text of SQLite
    return key.in_(select(func.json_each(json.dumps(values)).table_valued("value").c.value))


def _connect(address: URL) -> Engine:
    if address.get_backend_name() != "sqlite":
        return create_engine(address, pool_pre_ping=True, connect_args=_patience(address))
    engine = create_engine(address, connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def on_connect(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.isolation_level = None  # Python's driver must not begin transactions of its own
        dbapi_connection.execute("PRAGMA foreign_keys=ON")
        dbapi_connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writer = connection.get_execution_options().get(_WRITER, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode=WAL")  # kept in the file
    finally:
        raw.close()
    return engine


def _patience(address: URL) -> dict[str, Any]:
    """How long a server may take to let us in, unless the address or libpq's own variable says it.

    A statement may take as long as it does.
    """
    is_said = "connect_timeout" in address.query or "PGCONNECT_TIMEOUT" in os.environ
    if address.get_driver_name() != "psycopg" or is_said:
        return {}
    return {"connect_timeout": _CONNECT_SECONDS}


def _reader(url: str) -> Engine:
    engine = read_only_engine(url)
    if (found := _revision(engine)) != _newest():
        raise WarehouseUnreachable(
            f"{shown_address(url)}: its schema is {found}, this checkout's {_newest()}, and the file may not be "
            "written. Run a command as the user who may write there, which migrates it, or read it with the checkout "
            "that wrote it"
        )
    return engine


def _migrate(engine: Engine) -> None:
    """Alembic is loaded only where the schema is not the newest: its import costs every command .3 CPU seconds."""
    if _revision(engine) == _newest():
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with writing(engine, "schema") as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise UnknownSchema(str(error)) from error


def _revision(engine: Engine) -> str | None:
    """The migration that this database stands at; None for an empty one."""
    with reading(engine) as connection:
        if not inspect(connection).has_table(_ALEMBIC):
            return None
        return connection.execute(select(column("version_num")).select_from(table(_ALEMBIC))).scalar()


def _newest() -> str:
    """The newest migration of this checkout, by the names of their files: r0006_bytewise_ids.py is 0006."""
    return max(path.name[1:5] for path in (_MIGRATIONS / "versions").glob("r[0-9][0-9][0-9][0-9]_*.py"))


@contextmanager
def _alone(address: URL) -> Iterator[None]:
    """One process at a time makes a SQLite file, so that nobody races for WAL or the first migration."""
    if address.get_backend_name() != "sqlite" or not address.database or address.database == ":memory:":
        yield
        return
    path = Path(address.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.opening")):
        yield
