"""Events as codes: a user, an item and a type are places in lists of distinct names, 20 bytes an event.

Day tables are read one after the other and only their codes stay, so memory grows with the number of events by those
bytes, and with users and items by their names, once. Shapes: event = rows in order of time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

EVENT_ORDER = ["timestamp", "user_id", "item_id", "event_id"]  # as in replay: ties in time by these
CODED = ("user_id", "item_id", "event_type")
COLUMNS = (*CODED, "timestamp")  # what is read of a table


@dataclass(frozen=True, kw_only=True)
class CodedEvents:
    """Events in EVENT_ORDER. Names are distinct and in no order; one that no event has may be among them."""

    user: Int[np.ndarray, "event"]  # int32, place in user_names
    item: Int[np.ndarray, "event"]
    kind: Int[np.ndarray, "event"]
    micros: Int[np.ndarray, "event"]  # int64, since 1970, UTC
    user_names: pa.StringArray
    item_names: pa.StringArray
    kind_names: pa.StringArray

    def __len__(self) -> int:
        return len(self.user)


def code_events(tables: Iterable[pa.Table]) -> CodedEvents:
    """Code tables that hold COLUMNS, strings or dictionaries, and whose rows come in EVENT_ORDER."""
    read = [_coded(table) for table in tables]
    columns = {name: _unified([table[name] for table in read]) for name in CODED}
    moments = [table["timestamp"].cast(pa.int64()).to_numpy() for table in read]
    codes = {name: _codes(column) for name, column in columns.items()}
    names = {name: _names(column) for name, column in columns.items()}
    return CodedEvents(
        user=codes["user_id"],
        item=codes["item_id"],
        kind=codes["event_type"],
        micros=np.concatenate(moments) if moments else np.zeros(0, dtype=np.int64),
        user_names=names["user_id"],
        item_names=names["item_id"],
        kind_names=names["event_type"],
    )


def code_frame(events: pd.DataFrame) -> CodedEvents:
    """Code a frame of EVENT_ORDER and event_type whose rows come in any order."""
    ordered = events.sort_values(EVENT_ORDER, kind="stable")
    moments = ordered["timestamp"].dt.tz_convert("UTC").dt.as_unit("us")
    columns = {name: pa.array(ordered[name], pa.string()) for name in CODED}
    return code_events([pa.table(columns | {"timestamp": pa.array(moments)})])


def _coded(table: pa.Table) -> pa.Table:
    kept = table.select(COLUMNS)
    for name in CODED:
        if not pa.types.is_dictionary(kept.schema.field(name).type):
            place = kept.schema.get_field_index(name)
            kept = kept.set_column(place, name, kept[name].dictionary_encode())
    return kept


def _unified(parts: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    """All parts as one column whose chunks share a dictionary."""
    chunks = [chunk for part in parts for chunk in part.chunks]
    return pa.chunked_array(chunks, pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    parts = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(parts).astype(np.int32, copy=False) if parts else np.zeros(0, dtype=np.int32)


def _names(column: pa.ChunkedArray) -> pa.StringArray:
    return column.chunk(0).dictionary if column.num_chunks else pa.array([], pa.string())


def ranks(names: pa.StringArray) -> Int[np.ndarray, "name"]:
    """Place of each name when they ascend, as Python orders text: UTF-8 bytes sort like code points."""
    order = pc.sort_indices(names).to_numpy()
    place = np.empty(len(names), dtype=np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    return place
