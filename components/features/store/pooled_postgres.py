"""Feast's PostgreSQL online store over a pool that outlives an outage.

Feast 0.67 takes a connection out of its pool and puts it back only if nothing went wrong: every failed read loses one
of ten for good, and a connection that died with the server is handed out again. Here it goes back whatever happens, and
is looked at before it is handed out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from feast.infra.online_stores.postgres_online_store.postgres import (
    PostgreSQLOnlineStore,
    PostgreSQLOnlineStoreConfig,
)
from feast.infra.utils.postgres.connection_utils import _get_conn_kwargs, _get_conninfo
from psycopg import Connection
from psycopg_pool import ConnectionPool

_Name = Literal["components.features.store.pooled_postgres.PooledPostgresOnlineStore"]
_WAIT_SECONDS = 5.0  # for a connection: longer is an outage, and said as one


class PooledPostgresOnlineStoreConfig(PostgreSQLOnlineStoreConfig):
    """The same fields; Feast finds this class by the name of the store's."""

    type: _Name = "components.features.store.pooled_postgres.PooledPostgresOnlineStore"  # type: ignore[assignment]


class PooledPostgresOnlineStore(PostgreSQLOnlineStore):
    """`PostgreSQLOnlineStore` but for where its connections come from."""

    @contextmanager
    def _get_conn(self, config: Any, autocommit: bool = False) -> Iterator[Connection]:
        if self._conn_pool is None:
            store = config.online_store
            self._conn_pool = ConnectionPool(
                conninfo=_get_conninfo(store),
                min_size=store.min_conn,
                max_size=store.max_conn,
                timeout=_WAIT_SECONDS,
                check=ConnectionPool.check_connection,
                kwargs=_get_conn_kwargs(store),
                open=True,
            )
        with self._conn_pool.connection() as connection:
            connection.set_autocommit(autocommit)
            yield connection
