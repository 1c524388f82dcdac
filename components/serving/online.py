"""Lists for users by id: what is online of them now, pushed events included, scored by one pinned bundle."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import pandas as pd

from components.features.store.live import feature_set_online, user_states
from components.features.store.opening import OpenStore
from components.serving.scorer import Scorer
from components.serving.unknown_user import unknown_user


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
    exclude_seen: bool = True,
    known_users: Collection[str] = (),
    refuse_stale: bool = False,
) -> pd.DataFrame:
    """The best `k` items of each user: the scorer's columns, and those of the features behind them.

    The latter are feature_set (digest of the set online, "" if not known), features_as_of (until when events are
    known: the last cut or a later pushed event), age (`as_of` − features_as_of), and stale: older than `max_age`, or
    later than `as_of`. `exclude_seen`: as the version was judged. `known_users` are the ids of the warehouse, to
    name the nearest in a message. Raises UnknownUser, and StaleFeatures if `refuse_stale`.
    """
    features = known_features(store, user_ids, as_of=as_of, max_age=max_age, known_users=known_users)
    if refuse_stale:
        for row in features[features["stale"]].itertuples():
            raise StaleFeatures(_stale(row.user_id, row.features_as_of.to_pydatetime(), as_of, max_age))
    lists = scorer.recommend(features[["user_id", "item_ids", "times"]], k=k, exclude_seen=exclude_seen)
    told = features[["user_id", "features_as_of", "age", "stale"]].drop_duplicates("user_id")
    return lists.assign(feature_set=feature_set_online(store)).merge(told, on="user_id", how="left")


def in_words(age: timedelta) -> str:
    """An age as a person says it, to the largest unit."""
    for name, unit in (("days", timedelta(days=1)), ("hours", timedelta(hours=1))):
        if abs(age) >= 2 * unit:
            return f"{age // unit:,} {name}"
    return f"{age // timedelta(minutes=1)} minutes"


def known_features(
    store: OpenStore,
    user_ids: Sequence[str],
    *,
    as_of: datetime,
    max_age: timedelta,
    known_users: Collection[str] = (),
) -> pd.DataFrame:
    """What is online of users who all are, pushed events with it: user_id, item_ids and times (oldest first),
    features_as_of, age and stale. Raises UnknownUser.
    """
    states = user_states(store, user_ids)
    for state in states:
        if state.known_until is None:
            raise unknown_user(state.user_id, known_users)
    sequences = [state.sequence() for state in states]
    until = pd.Series([state.known_until for state in states], dtype="datetime64[us, UTC]")
    age = pd.Timestamp(as_of) - until
    return pd.DataFrame(
        {
            "user_id": pd.Series([state.user_id for state in states], dtype=object),
            "item_ids": pd.Series([list(sequence.item_ids) for sequence in sequences], dtype=object),
            "times": pd.Series([list(sequence.times) for sequence in sequences], dtype=object),
            "features_as_of": until,
            "age": age,
            "stale": (age > max_age) | (age < timedelta(0)),
        }
    )


def _stale(user_id: str, until: datetime, as_of: datetime, max_age: timedelta) -> str:
    if until > as_of:
        return (
            f"user {user_id}: features of {until:%Y-%m-%dT%H:%MZ} are later than {as_of:%Y-%m-%dT%H:%MZ}. Pass a "
            "later --as-of."
        )
    return (
        f"user {user_id}: features of {until:%Y-%m-%dT%H:%MZ} are {in_words(as_of - until)} old at "
        f"{as_of:%Y-%m-%dT%H:%MZ}, and {in_words(max_age)} are accepted. `recloop ingest` and then `recloop retrain` "
        "bring fresh ones, where the source has any; a larger --max-age-days accepts these."
    )
