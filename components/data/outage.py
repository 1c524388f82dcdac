"""An outage of a database, told apart from a fault of ours: who can wait does, and asks again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from components.data.warehouse import WarehouseUnreachable

# primary result codes of SQLite that another process or the disk is behind; "no such table" is ours
_WAITS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


@contextmanager
def telling_outages() -> Iterator[None]:
    """Turn a lost connection or a locked database in the block into WarehouseUnreachable."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise WarehouseUnreachable(
            f"the warehouse does not answer ({str(error.orig).strip()}). Check that the database runs; "
            "RECLOOP_WAREHOUSE_URL names it."
        ) from error


def is_outage(error: BaseException | None) -> bool:
    """Whether a database was away or busy, whoever asked it: by SQLAlchemy, or by a driver of its own (Feast).

    False for what asking again would not change: a wrong statement, a missing table, a refused row, an address that is
    none.
    """
    if isinstance(error, WarehouseUnreachable):
        return is_outage(error.__cause__)
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_outage(error.orig)
    if isinstance(error, sqlite3.OperationalError):
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in _WAITS
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    return _is_of_psycopg(error)


def _is_of_psycopg(error: BaseException | None) -> bool:
    """By name, since the driver is an extra: no SQL state means no connection; classes 08 and 57P are lost ones."""
    if not any(f"{b.__module__}.{b.__name__}" == "psycopg.OperationalError" for b in type(error).__mro__):
        return False
    state = getattr(error, "sqlstate", None)
    return state is None or state.startswith(("08", "57P", "53")) or state == "55P03"
