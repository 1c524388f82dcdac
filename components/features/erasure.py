"""A user out of published features: rows of the user's sequences, and the user's place in the graph.

Each kind has a function that counts the user's rows in a published folder, and one that removes them from a
copy of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_SEQUENCES, _USERS, _GRAPH = "sequences.parquet", "users.parquet", "graph.parquet"


def count_in_features(folder: Path, user_id: str) -> int:
    """Rows of the user in a feature set or a training set."""
    files = [folder / name for name in (_SEQUENCES, _USERS) if (folder / name).exists()]
    return sum(_count(pq.read_table(path, columns=["user_id"]), user_id) for path in files)


def forget_in_training_set(folder: Path, user_id: str) -> None:
    """The user's sequence goes; the others stay in their order."""
    table = pq.read_table(folder / _SEQUENCES)
    pq.write_table(_without(table, user_id), folder / _SEQUENCES)


def forget_in_feature_set(folder: Path, user_id: str) -> None:
    """Sequences as above; in the graph the user's edges go, and users after it move up by one."""
    forget_in_training_set(folder, user_id)
    users, edges = pq.read_table(folder / _USERS), pq.read_table(folder / _GRAPH)
    place = pc.index(users["user_id"], user_id).as_py()
    if place < 0:
        return
    edges = edges.filter(pc.not_equal(edges["user_index"], place))
    index = edges["user_index"]
    moved = pc.if_else(pc.greater(index, place), pc.subtract(index, 1), index).cast(index.type)
    pq.write_table(edges.set_column(0, "user_index", moved), folder / _GRAPH)
    pq.write_table(_without(users, user_id), folder / _USERS)


# the kinds by name: the files that publish them import torch, and this needs none
FORGETTING: Mapping[str, tuple[Callable[[Path, str], int], Callable[[Path, str], None]]] = {
    "feature_set": (count_in_features, forget_in_feature_set),
    "training_set": (count_in_features, forget_in_training_set),
}


def _count(table: pa.Table, user_id: str) -> int:
    return pc.sum(pc.equal(table["user_id"], user_id)).as_py() or 0


def _without(table: pa.Table, user_id: str) -> pa.Table:
    return table.filter(pc.not_equal(table["user_id"], user_id))
