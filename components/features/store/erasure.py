"""A user's rows out of the feature store: the offline files and the online store.

Both are idempotent: a file is replaced whole, and what a kill left aside is removed with the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.features.store.feast_unchecked import EntityKey, Value, serialize_entity_key
from components.features.store.lists import keys_of_user
from components.features.store.offline import USER_LISTS, USER_LIVE, USER_SEQUENCE, replace_file
from components.features.store.online_rows import OnlineRows, OnlineStoreUnknown, online_rows
from components.features.store.opening import OpenStore

_VIEWS = (USER_SEQUENCE, USER_LIVE)  # keyed by user: what the last cut holds, and what was pushed since


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
    with _online(store, user_id) as rows:
        of_user = sum(rows.count(view, _entity_key(user_id)) for view in _VIEWS)
        return offline + of_user + len(keys_of_user(rows, user_id))


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
    with _online(store, user_id) as rows:
        for view in _VIEWS:
            rows.delete(view, [_entity_key(user_id)])
        rows.delete(USER_LISTS, keys_of_user(rows, user_id))
        rows.compact()


def _files(store: OpenStore) -> list[Path]:
    return sorted((store.home / "offline" / USER_SEQUENCE).glob("*.parquet"))


def _rows_of(path: Path, user_id: str) -> int:
    users = pq.read_table(path, columns=["user_id"])["user_id"]
    return pc.sum(pc.equal(users, user_id)).as_py() or 0


@contextmanager
def _online(store: OpenStore, user_id: str) -> Iterator[OnlineRows]:
    with ExitStack() as inside:
        try:
            rows = inside.enter_context(online_rows(store))
        except OnlineStoreUnknown as error:
            raise OnlineErasureUnsupported(
                f"{error}. Delete the entity key user_id={user_id!r} of project {store.feast.project} there, then "
                "erase again with --online-erased."
            ) from error
        yield rows


def _entity_key(user_id: str) -> bytes:
    key = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=user_id)])
    return serialize_entity_key(key, entity_key_serialization_version=3)
