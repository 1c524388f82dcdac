"""Events on both sides of the cut as arrays: one sorted column of the window's users, and what training counted.

Shapes: I items, E events of the users that the window knows, V such users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from components.event_weights import weights_of

_ORDER = ["user_id", "timestamp", "item_id", "event_id"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """Events of the window's users, theirs from before the cut among them; by user, then time, item, event id."""

    num_items: int
    users: np.ndarray  # [V] ids, sorted
    user: Int[np.ndarray, "E"]  # position in users
    item: Int[np.ndarray, "E"]  # position in the catalogue
    time: Int[np.ndarray, "E"]  # epoch seconds
    in_window: Bool[np.ndarray, "E"]
    may_be_truth: Bool[np.ndarray, "E"]  # False for events of weight 0: they are history alone

    def __len__(self) -> int:
        return len(self.user)

    @cached_property
    def user_starts(self) -> Int[np.ndarray, "V"]:
        """The first event of each user."""
        return np.searchsorted(self.user, np.arange(len(self.users)))

    @cached_property
    def first_meeting(self) -> Int[np.ndarray, "E"]:
        """The first event of the same user with the same item: it decides what is a repeat."""
        met = self.user * self.num_items + self.item
        _, first, pair = np.unique(met, return_index=True, return_inverse=True)
        return first[pair]

    @cached_property
    def user_train_events(self) -> Int[np.ndarray, "V"]:
        return np.bincount(self.user[~self.in_window], minlength=len(self.users))


def catalogue_of(*frames: pd.DataFrame) -> np.ndarray:
    """[I] every item id in a column `item_id`, sorted, so that position order is id order."""
    return np.unique(np.concatenate([frame["item_id"].to_numpy(dtype=object) for frame in frames]))


def timeline_of(
    train_events: pd.DataFrame,
    window_events: pd.DataFrame,
    catalogue: np.ndarray,
    event_weights: Mapping[str, float] = MappingProxyType({}),
) -> Timeline:
    """`event_weights` of event types, which the frames' `event_type` names; without any every event counts."""
    users = np.unique(window_events["user_id"].to_numpy(dtype=object))
    known = train_events[train_events["user_id"].isin(users)]
    columns = [*_ORDER, "event_type"] if event_weights else _ORDER
    events = pd.concat([known, window_events])[columns]
    in_window = np.repeat([False, True], [len(known), len(window_events)])
    # two frames may share index values: only a fresh index says which row went where
    order = events.reset_index(drop=True).sort_values(_ORDER).index
    events, in_window = events.iloc[order], in_window[order]
    return Timeline(
        num_items=len(catalogue),
        users=users,
        user=pd.Index(users).get_indexer(events["user_id"]),
        item=pd.Index(catalogue).get_indexer(events["item_id"]),
        time=events["timestamp"].dt.as_unit("s").astype("int64").to_numpy(),
        in_window=in_window,
        may_be_truth=(
            weights_of(events["event_type"].to_numpy(dtype=object), event_weights) > 0
            if event_weights
            else np.ones(len(events), dtype=bool)
        ),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainCounts:
    """What was there before the cut, of all users."""

    item_events: Int[np.ndarray, "I"]
    item_users: Int[np.ndarray, "I"]  # distinct users behind them
    num_users: int


def count_training(train_events: pd.DataFrame, catalogue: np.ndarray) -> TrainCounts:
    item = pd.Index(catalogue).get_indexer(train_events["item_id"])
    users, user = np.unique(train_events["user_id"].to_numpy(dtype=object), return_inverse=True)
    # user and item in one whole number; int64 since their product outgrows 32 bits on real catalogues
    pairs = np.unique(user.astype(np.int64) * len(catalogue) + item)
    return TrainCounts(
        item_events=np.bincount(item, minlength=len(catalogue)),
        item_users=np.bincount(pairs % len(catalogue), minlength=len(catalogue)),
        num_users=len(users),
    )
