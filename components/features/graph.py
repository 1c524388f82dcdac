"""The user-item graph of a snapshot: who touched what, each pair once.

Shapes: edge = distinct pairs, user and item = the two sides of the graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int


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


def item_graph(events: pd.DataFrame, item_ids: np.ndarray) -> InteractionGraph:
    """Join every user to the items of their events (columns user_id, item_id; any order, repeats count once).

    `item_ids` are distinct and give the items their numbers, users get theirs in ascending order. Events on
    other items are counted and left out; a user with only such events is not in the graph.
    """
    item_of = pd.Index(item_ids).get_indexer(pd.Index(events["item_id"]))
    known = item_of >= 0
    user_ids, user_of = np.unique(events["user_id"].to_numpy(dtype=object)[known], return_inverse=True)
    # one number a pair: distinct, and ascending by user then item, in one sort
    pairs = np.unique(user_of.astype(np.int64) * len(item_ids) + item_of[known])
    return InteractionGraph(
        user_index=pairs // max(len(item_ids), 1),
        item_index=pairs % max(len(item_ids), 1),
        user_ids=user_ids,
        num_items=len(item_ids),
        num_outside=int((~known).sum()),
    )
