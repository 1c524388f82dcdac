"""From the log of exposures to a bandit's rounds: who was shown whose list, what was known of them, what came of it.

A round is a list. Its reward is 1 if the user had an item of it after it and within `within`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from components.bandit.arm_log import CONTEXT_PREFIX
from components.bandit.user_context import CONTEXT, user_context
from components.serving.exposure_outcomes import had_between, moments_had
from components.serving.exposures import Exposure

_DAY = timedelta(days=1)


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

    `figures`: user_id, events, popular, last_at as they were when the first list was shown; `events`: event_id,
    user_id, item_id, timestamp (UTC) since then, each once. `outcomes` are the ids of those that count as one.
    Context is what lay strictly before a list.
    """
    before = {
        row.user_id: (int(row.events), int(row.popular), None if pd.isna(row.last_at) else row.last_at)
        for row in figures.itertuples()
    }
    since = _by_user(events)
    had = moments_had(events[events["event_id"].isin(set(outcomes))])
    wanted = frozenset(popular)
    rows, known = [], []
    for shown in sorted(exposures, key=lambda shown: (shown.shown_at, shown.request_id)):
        at = datetime.fromisoformat(shown.shown_at)
        known.append(_known(before[shown.user_id], since.get(shown.user_id, ([], [])), wanted, at))
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
    context = user_context(*np.array(known, dtype=float).reshape(-1, 3).T)
    named = {CONTEXT_PREFIX + name: column for name, column in zip(CONTEXT, context.T, strict=True)}
    return pd.DataFrame(rows).assign(**named)


def _known(
    before: tuple[int, int, datetime | None],
    since: tuple[list[datetime], list[str]],
    popular: frozenset[str],
    at: datetime,
) -> tuple[float, float, float]:
    """Events, those on popular items, days since the last; NaN days where there is none."""
    num_events, num_popular, last = before
    moments, items = since
    new = bisect_left(moments, at)
    last = moments[new - 1] if new else last
    days = math.nan if last is None else (at - last) / _DAY
    return num_events + new, num_popular + sum(item in popular for item in items[:new]), days


def _by_user(events: pd.DataFrame) -> dict[str, tuple[list[datetime], list[str]]]:
    """Moments and items, oldest first."""
    found: dict[str, tuple[list[datetime], list[str]]] = {}
    for row in events.sort_values("timestamp").itertuples():
        moments, items = found.setdefault(row.user_id, ([], []))
        moments.append(row.timestamp.to_pydatetime())
        items.append(row.item_id)
    return found
