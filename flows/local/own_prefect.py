"""Prefect's server as uvicorn serves it: to its own names and pages only (see `components.own_pages`).

On SQLite one of its connections waits for another's lock for a minute, by Prefect's own setting, and a client that
waits with it stands still. Seen: its recorder of task runs, with two batches at once, waits for itself, until the one
gives up and the other goes on. Here it gives up after a third of that, and what it could not write, it writes again.
Not sooner: at five seconds a loaded machine's automations and concurrency limits gave up where they only had to wait.
"""

from __future__ import annotations

from typing import Any

from prefect.server.api.server import create_app
from prefect.server.database import dependencies
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

from components.own_pages import OwnPagesOnly

_BUSY_MS = 20_000


class ShortWaits(AioSqliteConfiguration):
    """Prefect's SQLite, whose connections wait for a lock for twenty seconds."""

    def setup_sqlite(self, conn: Any, record: Any) -> None:
        super().setup_sqlite(conn, record)
        cursor = conn.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        cursor.close()


def guarded() -> OwnPagesOnly:
    """What `prefect server start` would serve, behind the check."""
    # under uvicorn it says nothing of its start
    print("serving Prefect to its own names and pages", flush=True)
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url and url.startswith("sqlite"):
        dependencies.MODELS_DEPENDENCIES["database_config"] = ShortWaits(connection_url=url)
    return OwnPagesOnly(create_app(final=True))
