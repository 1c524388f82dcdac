"""What an error of the database is: a full disk, a connection that is lost, a SQLite file that was damaged."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

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
