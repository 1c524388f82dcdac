"""Prefect's server as uvicorn serves it: to its own names and pages only (see `components.own_pages`).

On SQLite one writes at a time, and Prefect leaves the waiting to SQLite. That fails in two ways, both seen here:

- Most of its transactions read before they write. Of two at once that read the same, one may write and the other is
  sent away, whatever it would have waited (SQLITE_BUSY_SNAPSHOT). Told 503, a client comes again after 2, 4, 8 seconds.
- A connection that waits inside SQLite holds its own mutex. If garbage collection then drops a statement of it on the
  thread of the event loop, the loop waits too, and with it whoever has the lock and would give it back: the server
  stands still until the wait is given up, which Prefect sets to a minute.

So here a transaction asks for the lock as it begins, and waits for its turn in the event loop, not in SQLite. So does a
statement outside a transaction: Prefect's recorders write so, and one that was refused has written nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import cache, partial
from typing import Any

from prefect.server.api.server import create_app
from prefect.server.database import dependencies
from prefect.server.database.configurations import SQLITE_BEGIN_MODE, AioSqliteConfiguration
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

from components.own_pages import OwnPagesOnly

# At five seconds a loaded machine's automations and concurrency limits gave up where they only had to wait.
_PATIENCE_SECONDS = 20.0
_ASK_AGAIN_SECONDS = 0.01
_BUSY_MS = 100  # within SQLite; as long the event loop may stand still

_writing: ContextVar[asyncio.Task[Any] | None] = ContextVar("the task that has a transaction", default=None)


class OneWriter(AioSqliteConfiguration):
    """Prefect's SQLite: one transaction at a time; each waits for its turn for twenty seconds."""

    @asynccontextmanager
    async def begin_transaction(self, session: Any, with_for_update: bool = False) -> AsyncIterator[Any]:
        """One inside another of the same task begins as Prefect begins it: it may read, and must not write."""
        if _writing.get() is asyncio.current_task():
            async with super().begin_transaction(session, with_for_update) as inner:
                yield inner
            return
        mode, task = SQLITE_BEGIN_MODE.set("IMMEDIATE"), _writing.set(asyncio.current_task())
        try:
            async with session.begin() as transaction:
                await _patient(session.connection)  # which begins it
                SQLITE_BEGIN_MODE.set("DEFERRED")  # for sessions that only read, opened in between
                yield transaction
        finally:
            SQLITE_BEGIN_MODE.reset(mode)
            _writing.reset(task)

    def setup_sqlite(self, conn: Any, record: Any) -> None:
        super().setup_sqlite(conn, record)
        cursor = conn.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MS};")
        cursor.close()

    async def session(self, engine: Any) -> Any:
        session: Any = await super().session(engine)
        kind: Any = type(session)
        session.__class__ = _waiting(kind)
        return session


@cache
def _waiting(kind: Any) -> Any:
    """Sessions of this class whose statements wait. Not a closure on each: garbage collection alone would free it."""

    class Waiting(kind):
        async def execute(self, *asked: Any, **how: Any) -> Any:
            ask = partial(super().execute, *asked, **how)
            if SQLITE_BEGIN_MODE.get() is not None:  # a transaction is repeated as a whole, or not at all
                return await ask()
            return await _patient(ask)

    return Waiting


async def _patient(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask again where another writes; raises what SQLite raised when patience has ended."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return await ask()
        except Exception as error:
            if not _is_busy(error) or time.monotonic() > until:
                raise
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


def _is_busy(error: Exception) -> bool:
    return str(getattr(getattr(error, "orig", None), "sqlite_errorname", "")).startswith("SQLITE_BUSY")


def guarded() -> OwnPagesOnly:
    """The application; Prefect's own factory, in front of which nothing else is read."""
    # what Prefect's own command says first, so that a log without it belongs to a server that never came so far
    print("serving Prefect to its own names and pages", flush=True)
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url and url.startswith("sqlite"):
        dependencies.MODELS_DEPENDENCIES["database_config"] = OneWriter(connection_url=url)
    return OwnPagesOnly(create_app(final=True))
