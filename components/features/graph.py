"""The user-item graph of a snapshot: who touched what, each pair once.

Shapes: edge = distinct pairs, user and item = the two sides of the graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int

from components.features.coded_events import CodedEvents, code_frame, ranks


@dataclass(frozen=True, kw_only=True)
class InteractionGraph:
    """Edges ascend by (user, item) and are distinct. Users and items ascend by id."""

    user_index: Int[np.ndarray, "edge"]  # row of user_ids
    item_index: Int[np.ndarray, "edge"]  # row of the item ids that the graph was built on
    user_ids: np.ndarray  # [user] str objects, ascending
    num_items: int
    num_outside: int  # events left out because their item is not among the graph's

    @property
    def num_users(self) -> int:
        return len(self.user_ids)

    def __len__(self) -> int:
        return len(self.user_index)


def item_graph(events: CodedEvents | pd.DataFrame, item_ids: np.ndarray) -> InteractionGraph:
    """Join every user to the items of their events (any order, repeats count once).

    `item_ids` are distinct and give the items their numbers, users get theirs in ascending order. Events on
    other items are counted and left out; a user with only such events is not in the graph. In memory are some 40
    bytes an event.
    """
    coded = events if isinstance(events, CodedEvents) else code_frame(events)
    place_of = pc.fill_null(pc.index_in(coded.item_names, value_set=pa.array(item_ids, pa.string())), -1)
    item_of = place_of.to_numpy()[coded.item]
    known = item_of >= 0
    user = ranks(coded.user_names)[coded.user[known]]
    # One number a pair: distinct, and ascending by user then item, in one sort. np.unique takes ten times as long: it
    # tells numbers apart by hashing, and finds places by a sort of places.
    pairs = user.astype(np.int64) * len(item_ids) + item_of[known]
    pairs.sort()
    pairs = pairs[_is_new(pairs)]
    width = max(len(item_ids), 1)
    users = pairs // width
    begins = _is_new(users)
    names = coded.user_names.take(pc.sort_indices(coded.user_names).take(pa.array(users[begins])))
    return InteractionGraph(
        user_index=np.cumsum(begins) - 1,
        item_index=pairs % width,
        user_ids=names.to_numpy(zero_copy_only=False),
        num_items=len(item_ids),
        num_outside=int((~known).sum()),
    )


def _is_new(ascending: np.ndarray) -> Bool[np.ndarray, "value"]:
    """Whether each value differs from the one before it."""
    return np.concatenate([np.ones(min(1, len(ascending)), dtype=bool), ascending[1:] != ascending[:-1]])
