"""Versions of an item's vector over time: which moment a new one counts from.

Feast takes the row with the latest `event_timestamp` up to the moment asked for. A vector of content that
became known at K must therefore not be stamped with the item's own beginning where another already is, or a
moment before K would find it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_MOMENT = pa.timestamp("us", tz="UTC")


@dataclass(kw_only=True)
class _Version:
    place: int  # row in the table
    stamp: int  # microseconds: counts from
    created: int  # microseconds: known at
    content: bytes


def latest_elsewhere(files: Iterable[Path], *, known_at: datetime) -> dict[str, int]:
    """item -> the latest stamp (microseconds) that other encoders gave it before `known_at`."""
    moment = pd.Timestamp(known_at).tz_convert("UTC").as_unit("us").value
    found: dict[str, int] = {}
    for file in files:
        table = pq.read_table(file, columns=["item_id", "event_timestamp", "created_timestamp"])
        items, stamps, created = (
            table["item_id"].to_pylist(),
            _micros(table, "event"),
            _micros(table, "created"),
        )
        for item, stamp, at in zip(items, stamps, created, strict=True):
            if at < moment:
                found[item] = max(stamp, found.get(item, stamp))
    return found


def merge_vectors(stored: pa.Table, new: pa.Table, elsewhere: Mapping[str, int]) -> pa.Table:
    """Both tables' rows, one a moment and item, ascending by item and moment."""
    table = pa.concat_tables([stored, new])
    items, contents = table["item_id"].to_pylist(), _contents(table)
    rows = [
        _Version(place=place, stamp=stamp, created=created, content=contents[place])
        for place, (stamp, created) in enumerate(
            zip(_micros(table, "event"), _micros(table, "created"), strict=True)
        )
    ]
    own: dict[str, list[_Version]] = defaultdict(list)
    for row in rows[: len(stored)]:
        own[items[row.place]].append(row)
    for row in rows[len(stored) :]:
        _place(row, own[items[row.place]], elsewhere.get(items[row.place]))
    kept = sorted(
        (item, version.stamp, version.created, version.content, version.place)
        for item, versions in own.items()
        for version in versions
    )
    last = [row for n, row in enumerate(kept) if n + 1 == len(kept) or kept[n + 1][:2] != row[:2]]
    merged = table.take(pa.array([row[4] for row in last], pa.int64()))
    for name, values in (
        ("event_timestamp", [r[1] for r in last]),
        ("created_timestamp", [r[2] for r in last]),
    ):
        column = pa.array(values, pa.int64()).cast(_MOMENT)
        merged = merged.set_column(merged.schema.get_field_index(name), name, column)
    return merged


def _place(row: _Version, own: list[_Version], elsewhere: int | None) -> None:
    """Add a version to those that its encoder has of the item; `elsewhere` as `latest_elsewhere` says."""
    same_moment = next((version for version in own if version.stamp == row.stamp), None)
    last = max(own, key=lambda version: version.stamp, default=None)
    is_last_anywhere = last is not None and (elsewhere is None or last.stamp >= elsewhere)
    was_moved = elsewhere is not None or same_moment is not None
    if last and last.content == row.content and is_last_anywhere and was_moved and row.stamp <= last.stamp:
        last.created = max(last.created, row.created)
        return
    if same_moment and row.created < same_moment.created and same_moment.content != row.content:
        same_moment.stamp = max(same_moment.stamp, same_moment.created - 1)
    elif elsewhere is not None or (same_moment and row.created > same_moment.created):
        row.stamp = max(row.stamp, row.created - 1)
    own.append(row)


def _contents(table: pa.Table) -> list[bytes]:
    vectors = table["vector"].combine_chunks()
    values = vectors.flatten().to_numpy(zero_copy_only=False)
    ends = np.cumsum(vectors.value_lengths().to_numpy(zero_copy_only=False))
    return [part.tobytes() for part in np.split(values, ends[:-1])] if len(table) else []


def _micros(table: pa.Table, name: str) -> list[int]:
    return pc.cast(table[f"{name}_timestamp"], pa.int64()).to_pylist()
