"""How far what is online is known, said once for everybody whose row has not changed.

A daily cut changes the sequences of few users, and the moment that it speaks for of all. So a load after another one
writes the rows that differ, and one row under a key of its own that tells: every row of the cut `since` or a later one
is that of the cut `until`. It is read with the users' rows in one request, from whichever online store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

KEY = "\x00fresh"  # of no user: contracts let no such id in
FEATURES = ("item_ids", "times", "cut_us")


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """Microseconds since 1970; the stamps of two cuts."""

    since: int
    until: int
    file: str  # SHA-256 of the file of the cut `until`, all of whose rows are online

    def of(self, cut_us: int | None) -> int | None:
        """The cut that a row stamped with `cut_us` speaks for."""
        return cut_us if cut_us is None or cut_us < self.since else max(cut_us, self.until)


def split(answer: Mapping[str, Sequence[Any]]) -> tuple[dict[str, list[Any]], Freshness | None]:
    """The columns of an answer without the last row, which is that of KEY, and what it tells; their cuts as of it."""
    columns = {name: list(values[:-1]) for name, values in answer.items()}
    files, since, until = (answer[name][-1] for name in FEATURES)
    if until is None:
        return columns, None
    fresh = Freshness(since=since[0], until=until, file=files[0])
    columns["cut_us"] = [fresh.of(cut_us) for cut_us in columns["cut_us"]]
    return columns, fresh


def row_of(fresh: Freshness) -> pd.DataFrame:
    """As the online store keeps it: a row of sequences."""
    at = pd.Timestamp(fresh.until, unit="us", tz="UTC")
    return pd.DataFrame(
        {
            "user_id": [KEY],
            "item_ids": [[fresh.file]],
            "event_types": [["sha256"]],
            "times": [[fresh.since]],
            "num_events": [0],
            "cut_us": [fresh.until],
            "event_timestamp": [at],
            "created_timestamp": [at],
        }
    )
