"""A batch on its way into the warehouse: as a source hands it over, and as the contracts leave it.

Event columns: `event_id` (null where the source has none), `user_id`, `item_id`, `event_type`,
`timestamp`, `value` (rating, price, seconds; null where the source has none). Item columns: `item_id`,
`title`, `description`, `categories` (joined by `|`), `attributes` (joined by `|`, opaque tokens),
`image_path`, `audio_path` (relative to the source), `available_at`. Both carry `source_row`, the row's place
in its file (from 0, header aside; negative for a row that lies in no file), so that a message can name it.
Sources hand over times as they stand in the file; `timestamps` says which of them are moments.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

EVENT_COLUMNS = ("event_id", "user_id", "item_id", "event_type", "timestamp", "value")
ITEM_COLUMNS = (
    "item_id", "title", "description", "categories", "attributes", "image_path", "audio_path", "available_at",
)  # fmt: skip
QUARANTINE_COLUMNS = ("kind", "source_row", "payload", "reasons")


class DataContractError(Exception):
    """Input that breaks a contract as a whole: names the file, the row, the value, and the fix."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How one table of a source was understood."""

    file: str
    taken: tuple[tuple[str, str], ...]  # our field, their column
    left: tuple[str, ...]  # their columns that nothing is taken from
    remarks: tuple[str, ...]  # what was guessed, changed or looks odd, each with its count


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows as received: values may be null, malformed, late, or repeated."""

    source: str  # name of the dataset, e.g. "movielens-100k"
    events: pd.DataFrame  # EVENT_COLUMNS + source_row, values as they stand in the file
    items: pd.DataFrame  # ITEM_COLUMNS + source_row
    event_key: tuple[str, ...]  # columns that, with an occurrence number, make an event's id
    readings: tuple[Reading, ...] = ()  # of its tables; no part of the batch's identity


@dataclass(frozen=True, kw_only=True)
class CheckedBatch:
    """The same rows sorted by the contracts.

    Holds: len(events) + quarantined rows of kind "event" == events received, and so for items.
    """

    source: str
    digest: str  # SHA-256 over the rows as received: the batch's identity
    events: pd.DataFrame  # EVENT_COLUMNS + source_row; ids str, none null; datetime64[us, UTC]; float64
    items: pd.DataFrame  # ITEM_COLUMNS + source_row; typed, one row an item
    quarantined: pd.DataFrame  # QUARANTINE_COLUMNS: event|item, source_row, JSON, codes joined by |
    data_docs: str  # path of the Data Docs page of this validation; "" if none was built
    as_of: datetime | None = None  # the batch's own now, with a zone; None: not told (see `knowledge`)
    since: datetime | None = None  # it tells of [since, as_of); None: from the first event on
    event_key: tuple[str, ...] = ()  # of the source, so that released rows get the ids they would have had


def write_checked(checked: CheckedBatch, folder: Path) -> None:
    """Write a checked batch as parquet tables and one JSON file; memory grows with a piece of the events."""
    _write_events(checked.events, folder / "events.parquet")
    for name in _SMALL_TABLES:
        getattr(checked, name).to_parquet(folder / f"{name}.parquet", index=False)
    words: dict[str, Any] = {name: getattr(checked, name) for name in ("source", "digest", "data_docs")}
    words |= {"event_key": checked.event_key}
    words |= {name: at.isoformat() for name in _MOMENTS if (at := getattr(checked, name)) is not None}
    (folder / "batch.json").write_text(json.dumps(words, indent=1, sort_keys=True))


def read_checked(folder: Path) -> CheckedBatch:
    """The batch of `write_checked`; of its events the texts are categoricals and the ids Arrow's text."""
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _SMALL_TABLES}
    tables["events"] = _read_events(folder / "events.parquet")
    words = json.loads((folder / "batch.json").read_text())
    words |= {name: datetime.fromisoformat(words[name]) for name in _MOMENTS if name in words}
    words["event_key"] = tuple(words.get("event_key", ()))
    return CheckedBatch(**words, **tables)


def _write_events(events: pd.DataFrame, path: Path) -> None:
    """Texts as texts and not as codes: a file's dictionary would keep a user of whom no row is left."""
    schema = pa.schema({"event_id": pa.large_string()} | dict.fromkeys(_CODED, pa.string()) | _NUMBERS)
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(events), _ROWS_AT_ONCE):
            piece = events.iloc[start : start + _ROWS_AT_ONCE]
            columns = [_array(piece[name]) for name in schema.names]
            columns = [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns]
            told = [column.cast(kind) for column, kind in zip(columns, schema.types, strict=True)]
            writer.write_table(pa.Table.from_arrays(told, schema=schema))


def _array(column: pd.Series) -> pa.Array | pa.ChunkedArray:
    if isinstance(column.dtype, pd.CategoricalDtype):  # what only rows say that are not here may be no UTF-8
        column = column.cat.remove_unused_categories()
    return pa.array(column, from_pandas=True)


def _read_events(path: Path) -> pd.DataFrame:
    table = pq.read_table(path, read_dictionary=list(_CODED))
    text = pd.StringDtype("pyarrow")
    return table.to_pandas(
        types_mapper={pa.string(): text, pa.large_string(): text}.get,
        ignore_metadata=True,
        split_blocks=True,
        self_destruct=True,
    )


_MOMENTS = ("as_of", "since")
_SMALL_TABLES = ("items", "quarantined")
_CODED = ("user_id", "item_id", "event_type")
_NUMBERS = {"timestamp": pa.timestamp("us", "UTC"), "value": pa.float64(), "source_row": pa.int64()}
_ROWS_AT_ONCE = 500_000
