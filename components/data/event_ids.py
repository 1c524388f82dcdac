"""Ids for events of sources that have none: made of the source's key and an occurrence number.

Two events may share a key (the same user, item and second) and both be real, so equal keys are numbered in
the order of their payloads, and the same rows in any order get the same ids. Numbering starts anew in each
batch: as long as the key holds the timestamp, any slicing by time keeps equal keys together and gives the
same ids. Genuine repeats of one key that arrive in different batches are taken for one event.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd


def event_id(source: str, key: Sequence[str | int], occurrence: int) -> str:
    """SHA-256 of the spelled parts; moments are spelled as microseconds since 1970, UTC."""
    # lengths first, so that no two keys are spelled alike
    spelled = "".join(f"{len(part)}:{part}" for part in (source, *map(str, key), str(occurrence)))
    return hashlib.sha256(spelled.encode("utf-8", "surrogatepass")).hexdigest()


def fill_event_ids(
    events: pd.DataFrame, given: pd.Series, *, source: str, event_key: tuple[str, ...]
) -> pd.Series:
    """The given ids; made ones where none is given and the key is whole; null where it is not.

    `events` is typed (see `contracts.typed`), so that one moment in two spellings is one event.
    """
    key = list(event_key)
    rows = events[given.isna() & events[key].notna().all(axis=1)]
    keys = list(zip(*(_spelled(rows[name]) for name in key), strict=True))
    # sound values first, so that an unsound one never takes the number of a sound one
    order = np.lexsort(
        (rows["event_type"].astype(str), rows["value"].fillna(0.0), rows["value_form"] != "number")
    )
    made: list[str] = [""] * len(rows)
    seen: Counter[tuple[str | int, ...]] = Counter()  # pandas' groupby takes "a" and "a\0" for one key
    for position in order.tolist():
        made[position] = event_id(source, keys[position], seen[keys[position]])
        seen[keys[position]] += 1
    ids = given.copy()
    ids[rows.index] = made
    return ids


def _spelled(column: pd.Series) -> list[str | int]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.as_unit("us").astype("int64")
    return column.tolist()
