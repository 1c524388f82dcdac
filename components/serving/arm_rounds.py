"""From the log of exposures to a bandit's rounds: who was shown whose list, what was known of them, what came of it.

A round is a list. Its reward is 1 if the user had an item of it after it and within `within`. Its context is what was
known of the user when their version was drawn. That is at the first list of the test, for all their lists: a hash
deals a user once, and what they do from then on may come of the version. Later events as context would make the share
no probability of a version given the context, and would count part of what a version does as the user's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from jaxtyping import Float

from components.bandit.arm_log import CONTEXT_PREFIX
from components.bandit.user_context import CONTEXT, user_context
from components.serving.exposure_outcomes import had_between, moments_had
from components.serving.exposures import Exposure


def arm_rounds(
    exposures: Sequence[Exposure],
    figures: pd.DataFrame,
    events: pd.DataFrame,
    *,
    outcomes: Collection[str],
    popular: Collection[str],
    within: timedelta,
) -> pd.DataFrame:
    """A row a list, in the order of time, as `arm_log_from_rows` takes them; context by `user_context`.

    `exposures` hold the first list of each of their users. `figures`: user_id, events, popular, last_at as they were
    when the first list of all was shown; `events`: event_id, user_id, item_id, timestamp (UTC) since then, each once.
    `outcomes` are the ids of those that count as one. Context is what lay strictly before a user's first list.
    """
    had = moments_had(events[events["event_id"].isin(set(outcomes))])
    first_at: dict[str, datetime] = {}
    rows = []
    for shown in sorted(exposures, key=lambda shown: (shown.shown_at, shown.request_id)):
        at = datetime.fromisoformat(shown.shown_at)
        first_at.setdefault(shown.user_id, at)
        rows.append(
            {
                "version": shown.version,
                "reward": float(
                    any(had_between(had, shown.user_id, item, at, at + within) for item in shown.item_ids)
                ),
                "propensity": shown.share if shown.variant == "challenger" else 1 - shown.share,
                "user_id": shown.user_id,
                "shown": at.timestamp(),
                "settled": (at + within).timestamp(),
            }
        )
    found = pd.DataFrame(rows)
    place = pd.Index(first_at).get_indexer(found["user_id"])
    context = _before_first_list(first_at, figures, events, popular)[place]
    return found.assign(
        **{CONTEXT_PREFIX + name: column for name, column in zip(CONTEXT, context.T, strict=True)}
    )


def _before_first_list(
    first_at: Mapping[str, datetime], figures: pd.DataFrame, events: pd.DataFrame, popular: Collection[str]
) -> Float[np.ndarray, "U 3"]:
    """A row a user, in the order of `first_at`."""
    users = pd.Index(first_at)
    first = pd.Series(pd.to_datetime(list(first_at.values()), utc=True), index=users)
    before = figures.set_index("user_id").loc[users]
    new = events[events["timestamp"] < events["user_id"].map(first)]
    since = (
        new.assign(is_popular=new["item_id"].isin(set(popular)))
        .groupby("user_id")
        .agg(events=("item_id", "size"), popular=("is_popular", "sum"), last_at=("timestamp", "max"))
        .reindex(users)
    )
    last = since["last_at"].fillna(pd.to_datetime(before["last_at"], utc=True))
    return user_context(
        (before["events"] + since["events"].fillna(0)).to_numpy(dtype=float),
        (before["popular"] + since["popular"].fillna(0)).to_numpy(dtype=float),
        ((first - last) / timedelta(days=1)).to_numpy(dtype=float),
    )
