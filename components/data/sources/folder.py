"""Your own data: a folder with events, items, and whatever images and sounds there are.

    events.csv | .tsv | .jsonl | .parquet, also packed (.gz, .zst, .bz2, .xz), or events/ with parquet parts
    items.csv  | the same                               (interactions in place of events is as good)
    images/<item_id>.jpg | .jpeg | .png | .webp         (optional)
    audio/<item_id>.wav                                 (optional)
    vectors.parquet | as items.csv: item_id, vector     (optional, see `item_vectors`)

Columns, with the other names they go by:

    events  user_id (user), item_id (item), timestamp (time, ts): required
            value (rating, price), event_type (event, type), event_id: optional
    items   item_id (item), title (name): required, though a title may be empty
            description (plot), categories (genres), attributes (tags), year, available_at, vector: optional

Timestamps are epoch seconds, ISO 8601 with a zone, or datetimes with a zone. Several categories or
attributes are joined by `|`. Other columns are left, and named. Files that are called otherwise are read by a
known layout (`layouts`), by `recloop.yaml` beside them, or by what `--map` says.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from components.data.batch import Batch, Reading
from components.data.sources.arrival import events_arrived, items_arrived
from components.data.sources.event_table import read_events
from components.data.sources.finding import FoundTable, find_columns, find_files, refuse_lacking
from components.data.sources.item_table import items_from_events, read_items
from components.data.sources.item_vectors import find_vectors
from components.data.sources.mapping import REQUIRED_EVENT_COLUMNS, REQUIRED_ITEM_COLUMNS, SourceMap, TableMap
from components.data.sources.recognising import source_map

_NO_FILE = "(no file of items)"
EVENT_KEY = ("user_id", "item_id", "event_type", "timestamp")


def read_folder(
    path: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    source: str | None = None,
    mapping: str = "",
) -> Batch:
    """Events with since <= timestamp < until and the items available by `until`, as they stand in the files.

    `source` names the dataset (default: the folder's name); `mapping` is what `--map` says. Raises SourceUnavailable
    for a missing file and DataContractError for one that cannot be read or lacks a column.
    """
    found = source_map(path, mapping)
    return read_mapped(path, found, since=since, until=until, source=source)


def read_mapped(
    path: Path,
    told: SourceMap,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    source: str | None = None,
) -> Batch:
    """`read_folder` of a folder whose map is known."""
    tables = find_tables(path, told)
    events, events_read = read_events(tables[0], told)
    items, items_read = _items(path, tables, told, events, until)
    arrived = items_arrived(items, until=until)
    if waiting := len(items) - len(arrived):
        from_then = f"{waiting:,} items are available from {until:%Y-%m-%dT%H:%M:%S}Z on or later"
        items_read = _with(items_read, [f"{from_then}: they wait for a later batch"])
    return Batch(
        source=source or path.resolve().name,
        events=events_arrived(events, since=since, until=until),
        items=arrived,
        event_key=EVENT_KEY,
        readings=(_with(events_read, list(told.remarks)), items_read),
    )


def find_tables(path: Path, told: SourceMap) -> list[FoundTable]:
    """Events, and items where they have a table. Raises as `read_folder` does, naming all that lacks at once."""
    parts: list[tuple[str, TableMap, tuple[str, ...]]] = [("events", told.events, REQUIRED_EVENT_COLUMNS)]
    if told.items is not None:
        needed = REQUIRED_ITEM_COLUMNS if "title" in told.items.columns else ("item_id",)
        parts.append(("items", told.items, needed))
    files = [find_files(path, table, what) for what, table, _ in parts]
    found = [find_columns(paths, table) for paths, (_, table, _) in zip(files, parts, strict=True)]
    required = [needed for _, _, needed in parts]
    refuse_lacking(path, list(zip(found, required, strict=True)), source=str(path))
    return found


def _items(
    path: Path, tables: list[FoundTable], told: SourceMap, events: pd.DataFrame, until: datetime | None
) -> tuple[pd.DataFrame, Reading]:
    if told.items_known:
        remark = "no item is told of: the events speak of items that the warehouse knows"
        return items_from_events(events.iloc[:0]), Reading(
            file=_NO_FILE, taken=(), left=(), remarks=(remark,)
        )
    if len(tables) == 1:
        items = items_from_events(events)
        remark = f"{len(items):,} items are those that the events speak of; their titles are their ids"
        return items, Reading(file=_NO_FILE, taken=(), left=(), remarks=(remark,))
    items, read = read_items(tables[1], told, path, until=until)
    vectors = find_vectors(path, told)
    if (
        vectors is not None and vectors.paths == tables[1].paths
    ):  # a column of theirs, which is read elsewhere
        read = replace(read, left=tuple(name for name in read.left if name != vectors.taken["vector"]))
    if "title" not in tables[1].taken:
        items["title"] = items["item_id"]
    if told.items_of_events:
        more = items_from_events(events, items["item_id"])
        more["source_row"] += len(items)
        if len(more):
            items = pd.concat([items, more], ignore_index=True)
            read = _with(
                read, [f"{len(more):,} further items are known from events alone; their titles are their ids"]
            )
    return items, read


def _with(read: Reading, remarks: list[str]) -> Reading:
    return Reading(file=read.file, taken=read.taken, left=read.left, remarks=(*remarks, *read.remarks))
