"""A user's rows out of the feature store: the offline files and the online store.

Both are idempotent: a file is replaced whole, and what a kill left aside is removed with the rest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.features.store.feast_unchecked import EntityKey, Value, serialize_entity_key
from components.features.store.lists import keys_of_user, lists_tables
from components.features.store.offline import USER_LIVE, USER_SEQUENCE, replace_file
from components.features.store.opening import OpenStore


class OnlineErasureUnsupported(Exception):
    """This online store cannot be erased from here: names it, and the key to delete there."""


def count_user(store: OpenStore, user_id: str, *, online: bool = True) -> int:
    """Rows that the user has: one a cut offline, and online one a view and scoring run, unless that was seen to
    elsewhere.

    Raises OnlineErasureUnsupported, as `erase_user` does: then only whoever runs the online store can tell.
    """
    offline = sum(_rows_of(path, user_id) for path in _files(store))
    if not online:
        return offline
    with closing(_online(store, user_id)) as connection:
        of_user = sum(_count_online(connection, table, user_id) for table in _tables(connection))
        return offline + of_user + len(keys_of_user(connection, user_id))


def erase_user(store: OpenStore, user_id: str, *, online: bool = True) -> None:
    """Remove every row of the user, and what is left of it in the free pages of the online database."""
    for aside in (store.home / "offline" / USER_SEQUENCE).glob(".*"):
        aside.unlink()
    for path in _files(store):
        table = pq.read_table(path)
        if _rows_of(path, user_id):
            replace_file(path, table.filter(pc.not_equal(table["user_id"], user_id)))
    if not online:
        return
    with closing(_online(store, user_id)) as connection:
        key = _entity_key(user_id)
        for table_name in _tables(connection):
            connection.execute(f'DELETE FROM "{table_name}" WHERE entity_key = ?', (key,))  # noqa: S608 - the table's name is quoted, values are bound
        lists = [(key,) for key in keys_of_user(connection, user_id)]
        for table_name in lists_tables(connection):
            connection.executemany(f'DELETE FROM "{table_name}" WHERE entity_key = ?', lists)  # noqa: S608 - as above
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")


def _files(store: OpenStore) -> list[Path]:
    return sorted((store.home / "offline" / USER_SEQUENCE).glob("*.parquet"))


def _rows_of(path: Path, user_id: str) -> int:
    users = pq.read_table(path, columns=["user_id"])["user_id"]
    return pc.sum(pc.equal(users, user_id)).as_py() or 0


def _online(store: OpenStore, user_id: str) -> sqlite3.Connection:
    config = store.feast.config.online_store
    if config.type != "sqlite":
        raise OnlineErasureUnsupported(
            f"the online store is of type {config.type}, and only SQLite can be erased from here. Delete the "
            f"entity key user_id={user_id!r} of project {store.feast.project} there, then erase again with "
            "--online-erased."
        )
    connection = sqlite3.connect(config.path, timeout=60)
    connection.execute("PRAGMA secure_delete=ON")
    return connection


def _tables(connection: sqlite3.Connection) -> Iterator[str]:
    """Tables of feature views that are keyed by user: what the last cut holds, and what was pushed since."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    yield from (name for (name,) in names if name.endswith((f"_{USER_SEQUENCE}", f"_{USER_LIVE}")))


def _count_online(connection: sqlite3.Connection, table: str, user_id: str) -> int:
    query = f'SELECT count(DISTINCT entity_key) FROM "{table}" WHERE entity_key = ?'  # noqa: S608 - the table's name is quoted, values are bound
    count: int = connection.execute(query, (_entity_key(user_id),)).fetchone()[0]
    return count


def _entity_key(user_id: str) -> bytes:
    key = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=user_id)])
    return serialize_entity_key(key, entity_key_serialization_version=3)
