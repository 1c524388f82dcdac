"""Exposures and what came of them, as the logged feedback that `recloop replay --logged` reads.

A row an item that was shown; see data/sources/logged_table.py. Write the table as CSV or parquet.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pandas as pd

from components.serving.exposures import Exposure
from components.serving.split import Variant

LOGGED_COLUMNS = (
    "item_id",
    "reward",
    "propensity",
    "target_propensity",
    "position",
    "user_id",
    "round_id",
)


def joined(
    exposures: Sequence[Exposure], events: pd.DataFrame, *, within: timedelta, target: Variant = "challenger"
) -> pd.DataFrame:
    """LOGGED_COLUMNS in the order of time: reward 1 if the user had the item within `within` after the list.

    `events`: user_id, item_id, timestamp (UTC). `target` is the version to be judged: it is deterministic, so
    its propensity of an item at a place is 1 or 0. Exposures without the other version's list are left out,
    since they cannot say what that would have shown.
    """
    moments = moments_had(events)
    rows = []
    for shown in sorted(exposures, key=lambda shown: (shown.shown_at, shown.request_id)):
        if shown.other_version is None:
            continue
        begin = datetime.fromisoformat(shown.shown_at)
        wanted = shown.item_ids if shown.variant == target else shown.other_item_ids
        for position, item_id in enumerate(shown.item_ids):
            was_had = had_between(moments, shown.user_id, item_id, begin, begin + within)
            rows.append(
                {
                    "item_id": item_id,
                    "reward": float(was_had),
                    "propensity": shown.propensities[position],
                    "target_propensity": float(position < len(wanted) and wanted[position] == item_id),
                    "position": position,
                    "user_id": shown.user_id,
                    "round_id": shown.request_id,
                }
            )
    return pd.DataFrame(rows, columns=list(LOGGED_COLUMNS))


def moments_had(events: pd.DataFrame) -> dict[tuple[str, str], list[datetime]]:
    """When a user had an item, oldest first."""
    found: dict[tuple[str, str], list[datetime]] = {}
    for row in events.sort_values("timestamp").itertuples():
        found.setdefault((row.user_id, row.item_id), []).append(row.timestamp.to_pydatetime())
    return found


def had_between(
    moments: Mapping[tuple[str, str], list[datetime]], user: str, item: str, begin: datetime, until: datetime
) -> bool:
    """Whether a user had an item after `begin` and by `until`. `moments` are `moments_had`."""
    own = moments.get((user, item), [])
    place = bisect_right(own, begin)
    return place < len(own) and own[place] <= until
