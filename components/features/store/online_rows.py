"""The rows behind Feast's online store, for what Feast has no call for: to count, list and delete by entity key.

SQLite and PostgreSQL hold a table a view, named <project>_<view>, with a row a key and feature. Redis holds a hash a
key, whichever views it is of, named by the key and the project.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Protocol

from components.features.store.addresses import POOLED_POSTGRES
from components.features.store.opening import OpenStore


class OnlineStoreUnknown(Exception):
    """An online store of a kind whose rows cannot be reached from here; names it."""


class OnlineRows(Protocol):
    """Rows by the keys of `serialize_entity_key`, version 3."""

    def keys(self, view: str) -> list[bytes]:
        """Every key that the view has a row of; none before it was defined."""
        ...

    def count(self, view: str, key: bytes) -> int:
        """1 if the view has a row of this key, else 0."""
        ...

    def delete(self, view: str, keys: Sequence[bytes]) -> None:
        """Remove the rows of these keys."""
        ...

    def compact(self) -> None:
        """Leave nothing of what was deleted to be read in free pages."""
        ...


@contextmanager
def online_rows(store: OpenStore) -> Iterator[OnlineRows]:
    """Open the rows of this store. Raises OnlineStoreUnknown."""
    config, project = store.feast.config.online_store, store.feast.project
    if config.type == "sqlite":
        with closing(sqlite3.connect(config.path, timeout=60)) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            yield _SqliteRows(connection, project)
    elif config.type in {"postgres", POOLED_POSTGRES}:
        from feast.infra.utils.postgres.connection_utils import _get_conn

        with closing(_get_conn(config)) as connection:
            connection.autocommit = True
            yield _PostgresRows(connection, project)
    elif config.type == "redis":
        from feast.infra.online_stores.redis import RedisOnlineStore

        yield _RedisRows(RedisOnlineStore()._get_client(config), project)
    else:
        raise OnlineStoreUnknown(f"the online store is of type {config.type}, whose rows are not known here")


class _SqlRows:
    """What both databases do alike."""

    mark: str  # of a value in a statement
    tables: str  # query for the names of all tables

    def __init__(self, connection: Any, project: str) -> None:
        self._connection = connection
        self._project = project

    def keys(self, view: str) -> list[bytes]:
        rows = self._on(view, 'SELECT DISTINCT entity_key FROM "{table}"')
        return [bytes(key) for (key,) in rows]

    def count(self, view: str, key: bytes) -> int:
        query = f'SELECT count(DISTINCT entity_key) FROM "{{table}}" WHERE entity_key = {self.mark}'  # noqa: S608 - a name of ours, quoted; values are bound
        return sum(number for (number,) in self._on(view, query, key))

    def delete(self, view: str, keys: Sequence[bytes]) -> None:
        for table in self._tables(view):
            statement = f'DELETE FROM "{table}" WHERE entity_key = {self.mark}'  # noqa: S608 - as above
            self._connection.cursor().executemany(statement, [(key,) for key in keys])
        self._connection.commit()

    def _on(self, view: str, query: str, *values: object) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for table in self._tables(view):
            found += self._connection.execute(query.format(table=table), values).fetchall()
        return found

    def _tables(self, view: str) -> list[str]:
        names = [name for (name,) in self._connection.execute(self.tables).fetchall()]
        return [name for name in names if name == f"{self._project}_{view}"]


class _SqliteRows(_SqlRows):
    mark = "?"
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"

    def compact(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.execute("VACUUM")


class _PostgresRows(_SqlRows):
    mark = "%s"
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = ANY(current_schemas(false))"

    def compact(self) -> None:
        """Its vacuum frees the space; what a page held stays in its bytes until they are written over."""
        for table in self._connection.execute(self.tables).fetchall():
            if table[0].startswith(f"{self._project}_"):
                self._connection.execute(f'VACUUM "{table[0]}"')


class _RedisRows:
    def __init__(self, client: Any, project: str) -> None:
        self._client = client
        self._suffix = project.encode()

    def keys(self, view: str) -> list[bytes]:
        named = self._client.scan_iter(match=b"*" + self._suffix, count=1000)
        return sorted({key.removesuffix(self._suffix) for key in named if self._has(key, view)})

    def count(self, view: str, key: bytes) -> int:
        return int(self._has(key + self._suffix, view))

    def delete(self, view: str, keys: Sequence[bytes]) -> None:
        """The whole hash: views of one key hold the same user."""
        if keys:
            self._client.delete(*(key + self._suffix for key in keys))

    def compact(self) -> None:
        return

    def _has(self, name: bytes, view: str) -> bool:
        return bool(self._client.hexists(name, f"_ts:{view}"))
