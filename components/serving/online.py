"""Lists for users by id: what the online store knows of them now, scored by one pinned bundle."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import pandas as pd

from components.features.store.online import online_sequences
from components.features.store.opening import OpenStore
from components.serving.scorer import Scorer

_NEAREST = 3


class UnknownUser(Exception):
    """A user without features: names the nearest known ids, or how features come to be."""


class StaleFeatures(Exception):
    """Features older than the caller accepts: names the user, the age, and the mend."""


def recommend_users(
    store: OpenStore,
    scorer: Scorer,
    user_ids: Sequence[str],
    *,
    as_of: datetime,
    max_age: timedelta,
    k: int,
    known_users: Collection[str] = (),
    refuse_stale: bool = False,
) -> pd.DataFrame:
    """The best `k` items of each user: the scorer's columns, and age and stale of the features behind them.

    Features are stale if older than `max_age` at `as_of`, or later than it. `known_users` are the ids of the
    warehouse, to name the nearest in a message. Raises UnknownUser, and StaleFeatures if `refuse_stale`.
    """
    online = online_sequences(store, user_ids, as_of=as_of, max_age=max_age)
    for user_id in online.loc[~online["known"], "user_id"]:
        raise UnknownUser(_unknown(user_id, known_users))
    if refuse_stale:
        for row in online[online["stale"]].itertuples():
            raise StaleFeatures(
                f"user {row.user_id}: features of {row.cut_at:%Y-%m-%dT%H:%MZ} are {row.age} old at "
                f"{as_of:%Y-%m-%dT%H:%MZ}, and {max_age} is accepted. `recloop retrain` brings fresh ones; a "
                "larger --max-age-days accepts these."
            )
    lists = scorer.recommend(online[["user_id", "item_ids", "times"]], k=k)
    return lists.merge(
        online[["user_id", "age", "stale"]].drop_duplicates("user_id"), on="user_id", how="left"
    )


def _unknown(user_id: str, known_users: Collection[str]) -> str:
    if user_id in known_users:
        return (
            f"user {user_id!r} has events in the warehouse, but no features online yet. `recloop retrain` "
            "loads them for all users with events before its as_of."
        )
    near = difflib.get_close_matches(user_id, sorted(known_users), n=_NEAREST, cutoff=0.0)
    hint = f"Nearest known ids: {', '.join(near)}. " if near else ""
    return (
        f"no user {user_id!r} is known. {hint}Events of a new user come in by `recloop ingest`; then "
        "`recloop retrain` loads their features."
    )
