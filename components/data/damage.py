"""What an error of the database is: a full disk, a connection that is lost, a SQLite file that was damaged."""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from components.data.schema import metadata

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_NO_TEXT = "Could not decode to UTF-8"  # Python's driver; it carries no code


def damage_of(error: DBAPIError) -> str | None:
    """What SQLite says, and the fix; None if the error is another."""
    if not isinstance(error.orig, sqlite3.Error):
        return None
    code, said = getattr(error.orig, "sqlite_errorcode", 0) or 0, str(error.orig)
    is_text = said.startswith(_NO_TEXT)
    if code & 0xFF not in _DAMAGED and not is_text:
        return None
    cause = "a text in it is no text any more" if is_text else said
    return _told(cause)


def damage_behind(error: DBAPIError, engine: Engine) -> str | None:
    """`damage_of`; and where SQLite finds no sense in a statement of ours, what it finds in its file."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return damage_of(error) or (damage_in(engine) if code == sqlite3.SQLITE_ERROR else None)


def damage_in(engine: Engine, *, with_indexes: bool = False) -> str | None:
    """What SQLite finds in its own file when it is asked to look, and the fix; None: nothing, or another database.

    An index that lost rows makes a query give fewer, and nothing else tells of it; looking at indexes too takes about
    as long as reading the file.
    """
    if engine.dialect.name != "sqlite":
        return None
    try:
        with engine.connect() as connection:
            check = f"PRAGMA {'integrity' if with_indexes else 'quick'}_check(1)"
            said = str(connection.exec_driver_sql(check).scalar_one())
            lost = " ".join(said.split()) if said != "ok" else _lost_column(connection)
    except UnicodeDecodeError:  # the driver's, of SQLite's own message
        lost = "a name in its schema is no text any more"
    except DBAPIError as error:
        return damage_of(error)
    return _told(lost) if lost else None


def _lost_column(connection: Connection) -> str:
    """A table without a column that every migrated one has: to SQLite, another text of the schema is no error."""
    for table in metadata.sorted_tables:
        there = {row[1] for row in connection.exec_driver_sql(f'PRAGMA table_info("{table.name}")')}
        for column in table.columns:
            if there and column.name not in there:
                return f"table {table.name} has no column {column.name} any more"
    return ""


def _told(cause: str) -> str:
    return (
        f"{cause}: the file was changed by something other than SQLite, or the disk fails. Move the home "
        "away and put it back from a backup (`recloop restore`)"
    )


def is_full(error: DBAPIError) -> bool:
    """The disk, or what the database may take of it."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or getattr(error.orig, "sqlstate", None) == "53100"


def is_lost(error: DBAPIError) -> bool:
    """The connection, in the midst of it."""
    if error.connection_invalidated:
        return True
    never_answered = getattr(error.orig, "sqlstate", None) is None
    return never_answered and isinstance(error, InterfaceError | OperationalError)
