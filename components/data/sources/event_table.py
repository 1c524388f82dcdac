"""A table of events as it lies in a file → event columns, values as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from components.data.batch import EVENT_COLUMNS, DataContractError, Reading
from components.data.coded import of_arrow, renamed
from components.data.same_rows import repeated
from components.data.sources.choices import chosen_rows
from components.data.sources.columns.ids import read_event_ids, read_ids
from components.data.sources.columns.times import read_times
from components.data.sources.columns.words import shown, stripped, without_missing_words
from components.data.sources.files.parts import joined, label_of, names_of
from components.data.sources.finding import FoundTable, read_table
from components.data.sources.mapping import SourceMap
from components.data.sources.naming import SHORT_OF

_KEYS = ("user_id", "item_id", "timestamp")


def read_events(found: FoundTable, source: SourceMap) -> tuple[pd.DataFrame, Reading]:
    """EVENT_COLUMNS and source_row, and what was taken. Raises DataContractError for a table without rows."""
    table, told = _of_parts(found, source)
    remarks = list(dict.fromkeys([*found.remarks, *told]))
    table["source_row"] = range(len(table))
    return table, Reading(
        file=names_of(found.paths),
        taken=tuple(found.taken.items()),
        left=tuple(name for name in found.names if name and name not in found.taken.values()),
        remarks=tuple(remarks),
    )


def _of_parts(found: FoundTable, source: SourceMap) -> tuple[pd.DataFrame, list[str]]:
    """All parts as one table: what is odd is counted over all of them."""
    taken, table, path = found.taken, found.table, label_of(found.paths)
    columns, remarks = _raw(found)
    if table.choices is not None:
        columns = chosen_rows(columns, taken["item_id"], table.choices)
    frame: dict[str, Any] = {}
    if "event_id" in taken:
        raw, name = columns.column(taken["event_id"]), taken["event_id"]
        frame["event_id"], told = read_event_ids(raw, name=name, path=path, missing=source.missing)
        remarks += told
    for field in ("user_id", "item_id"):
        if field in taken:
            raw, name = columns.column(taken[field]), taken[field]
            read = read_ids(raw, name=name, path=path, missing=source.missing)
            frame[field], remarks = read.coded.column(), [*remarks, *read.remarks]
    frame["timestamp"], told = read_times(
        columns.column(taken["timestamp"]),
        name=taken["timestamp"],
        field=SHORT_OF["timestamp"],
        path=path,
        form=source.time,
    )
    remarks += told
    if "value" in taken:
        frame["value"] = _values(columns.column(taken["value"]), taken["value"], path)
    if "event_type" in taken:
        frame["event_type"], counted = _types(
            columns.column(taken["event_type"]), taken["event_type"], source
        )
        remarks += counted
    else:
        told_type = table.event_type or ("rating" if "rating" in found.names else "interaction")
        frame["event_type"] = pd.Categorical.from_codes(
            np.zeros(columns.num_rows, dtype=np.int8), [told_type]
        )
    absent = pd.Categorical.from_codes(np.full(columns.num_rows, -1, dtype=np.int8), [])
    events = pd.DataFrame(
        {"event_id": absent, "value": np.full(columns.num_rows, np.nan)} | frame, columns=list(EVENT_COLUMNS)
    )
    if repeats := _repeats(events):
        remarks.append(f"{repeats:,} rows repeat another one exactly; each counts as an event of its own")
    return events, remarks


def _raw(found: FoundTable) -> tuple[pa.Table, list[str]]:
    taken = found.taken
    wanted = list(dict.fromkeys(taken.values()))
    keys = [taken[field] for field in _KEYS if field in taken]
    raw = {path: read_table(path, found.table, wanted=wanted, keys=keys) for path in found.paths}
    remarks = [remark for one in raw.values() for remark in one.remarks]
    if empty := [path for path, one in raw.items() if not one.table.num_rows]:
        if len(empty) == len(raw):
            raise DataContractError(
                f"{label_of(found.paths)}: has no rows: a header and nothing below it. Export the events again."
            )
        remarks.append(f"{len(empty):,} of {len(raw):,} parts have no rows, such as {empty[0].name}")
    return joined({path: one.table for path, one in raw.items()}), remarks


def _values(column: pa.ChunkedArray, name: str, path: Path) -> pd.Series:
    if pa.types.is_nested(column.type):
        raise DataContractError(
            f"{path}: column {name!r} is of type {column.type}, and a value is one number. Leave it out or flatten it."
        )
    if pa.types.is_string(column.type):
        return without_missing_words(stripped(column)[0])[0].to_pandas().astype(object)
    return column.to_pandas()


def _types(column: pa.ChunkedArray, name: str, source: SourceMap) -> tuple[pd.Series, list[str]]:
    """Types as they are told to be called; others in lower case, with _ for blanks."""
    held = of_arrow(column.cast(pa.string()))
    clean, _ = without_missing_words(stripped(pa.array(held.texts, type=pa.string()))[0])
    theirs = renamed(held, clean.to_pylist())
    known = {text: source.event_types.get(text, plain_type(text)) for text in theirs.texts}
    changed = {text: ours for text, ours in known.items() if text != ours}
    told = []
    if changed:
        pairs = ", ".join(f"{text!r} is {ours!r}" for text, ours in list(changed.items())[:8])
        told.append(f"{name}: event types are written as short words in lower case: {pairs}")
    if 1 < len(theirs.texts) <= 20:
        told.append(f"{name}: {shown(dict(zip(theirs.texts, theirs.counts.tolist(), strict=True)))}")
    return renamed(theirs, list(known.values())).column(), told


def plain_type(text: str) -> str:
    """An event type as it is called unless told otherwise: a short word in lower case."""
    return re.sub(r"[\s/]+", "_", text.strip().lower())[:200]


def _repeats(events: pd.DataFrame) -> int:
    """Rows that say what an earlier one says, where no event id tells repeats apart."""
    if events["event_id"].notna().any():
        return 0
    columns = [name for name in events.columns if name != "event_id"]
    alike = repeated([_as_numbers(events[name]) for name in columns])
    try:
        return int(events[columns].iloc[alike].duplicated().sum())
    except TypeError:  # a value that cannot be compared; the contracts will say
        return 0


def _as_numbers(column: pd.Series) -> np.ndarray:
    """[row] int64 that is equal where values are; of Python's objects, which would cost a step each, nothing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy()
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind in "iuM":
        return column.astype("int64").to_numpy()
    if column.dtype.kind == "f":
        return (column.to_numpy(dtype=np.float64) + 0.0).view(np.int64)
    return np.zeros(len(column), dtype=np.int64)
