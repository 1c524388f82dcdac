"""A table of items as it lies in a file → item columns, with the images and sounds beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.data.batch import ITEM_COLUMNS, DataContractError, Reading
from components.data.sources.columns.ids import read_ids
from components.data.sources.columns.texts import read_members, read_prose, read_years
from components.data.sources.columns.times import read_times
from components.data.sources.files.parts import joined, label_of, names_of
from components.data.sources.finding import FoundTable, read_table
from components.data.sources.item_properties import latest_properties
from components.data.sources.mapping import SourceMap
from components.data.sources.naming import SHORT_OF

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_AUDIO_SUFFIXES = (".wav",)
_PROSE = ("title", "description")
_MEMBERS = ("categories", "attributes")


def read_items(
    found: FoundTable, source: SourceMap, root: Path, *, until: datetime | None
) -> tuple[pd.DataFrame, Reading]:
    """ITEM_COLUMNS and source_row, and what was taken. Raises DataContractError for a table without rows."""
    table, remarks = _raw(found, until)
    path, long = label_of(found.paths), found.table.long
    taken = found.taken if long is None else {**{ours: ours for ours in long.fields.values()}, **found.taken}
    if not table.num_rows:
        raise DataContractError(
            f"{path}: {path.name} has no rows: a header and nothing below it. Export the items again; events may only "
            "speak of items that are there. If an earlier batch brought them all, say --map items=known."
        )
    read = read_ids(table.column(taken["item_id"]), name=taken["item_id"], path=path, missing=source.missing)
    remarks += read.remarks
    frame: dict[str, pd.Series] = {"item_id": read.ids}
    for field in (*_PROSE, *_MEMBERS):
        if field in taken:
            frame[field], told = _text(field, table.column(taken[field]), taken[field], found, source.missing)
            remarks += told
    if found.table.flags:
        frame["categories"] = _flagged(table, [flag for flag in found.table.flags if flag in found.names])
    if "year" in taken:
        frame["attributes"] = _with_year(frame.get("attributes"), read_years(table.column(taken["year"])))
    if "available_at" in taken:
        frame["available_at"], told = read_times(
            table.column(taken["available_at"]),
            name=taken["available_at"],
            field=SHORT_OF["available_at"],
            path=path,
            form=source.available,
            days=True,
        )
        remarks += told
    items = pd.DataFrame(frame)
    remarks += _untitled(items, taken)
    for field, suffixes in (("image", _IMAGE_SUFFIXES), ("audio", _AUDIO_SUFFIXES)):
        items[f"{field}_path"], lacking = _media(
            items["item_id"], table, taken.get(field), root, field, suffixes
        )
        remarks += lacking
    items = items.reindex(columns=list(ITEM_COLUMNS))
    if found.table.distinct:
        items = items[~items["item_id"].duplicated() | items["item_id"].isna()].reset_index(drop=True)
    items["source_row"] = range(len(items))
    return items, Reading(
        file=names_of(found.paths),
        taken=tuple(taken.items()),
        left=tuple(n for n in found.names if n and n not in taken.values() and n not in found.table.flags),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def items_from_events(events: pd.DataFrame, known: pd.Series | None = None) -> pd.DataFrame:
    """An item for each id that the events speak of and `known` lacks; its title is its id."""
    ids = pd.Series(events["item_id"].dropna().unique(), dtype=object)
    if known is not None:
        ids = ids[~ids.isin(set(known.dropna()))].reset_index(drop=True)
    items = pd.DataFrame({"item_id": ids, "title": ids})
    return items.reindex(columns=list(ITEM_COLUMNS)).assign(source_row=range(len(items)))


def _raw(found: FoundTable, until: datetime | None) -> tuple[pa.Table, list[str]]:
    if found.table.long is not None:
        return latest_properties(found, found.table.long, until)
    wanted = list(dict.fromkeys([*found.taken.values(), *(f for f in found.table.flags if f in found.names)]))
    prose = [found.taken[field] for field in _PROSE if field in found.taken]
    raw = {
        path: read_table(path, found.table, wanted=wanted, keys=[found.taken["item_id"]], texts=prose)
        for path in found.paths
    }
    tables = joined({path: one.table for path, one in raw.items()})
    return tables, [*found.remarks, *(remark for one in raw.values() for remark in one.remarks)]


def _text(
    field: str, column: pa.ChunkedArray, name: str, found: FoundTable, missing: tuple[str, ...]
) -> tuple[pd.Series, tuple[str, ...]]:
    if field in _PROSE:
        return read_prose(column, name=name)
    return read_members(column, name=name, separator=found.table.separator, missing=missing)


def _flagged(table: pa.Table, flags: list[str]) -> pd.Series:
    """The names of the columns that hold 1, joined by |."""
    held = {flag: pc.equal(table.column(flag).cast(pa.string()), "1").to_pylist() for flag in flags}
    told = ["|".join(flag for flag in flags if held[flag][row]) or None for row in range(table.num_rows)]
    return pd.Series(told, dtype=object)


def _with_year(attributes: pd.Series | None, years: pd.Series) -> pd.Series:
    year = "year:" + years.where(years.notna())
    if attributes is None:
        return year.where(year.notna(), None)
    told = (attributes + "|" + year).fillna(attributes).fillna(year)
    return told.where(told.notna(), None)


def _untitled(items: pd.DataFrame, taken: Mapping[str, str]) -> list[str]:
    if "title" not in items or not (lacking := int(items["title"].isna().sum())) or lacking == len(items):
        return []
    return [f"{taken['title']}: {lacking:,} of {len(items):,} items have no title, which is allowed"]


def _media(
    ids: pd.Series, table: pa.Table, column: str | None, root: Path, field: str, suffixes: tuple[str, ...]
) -> tuple[pd.Series, list[str]]:
    """Paths relative to the source: as the column says, else the file that is called like the item."""
    folder = root / ("images" if field == "image" else field)
    by_id = ids.map(media_files(folder, suffixes))
    if column is None:
        return by_id, []
    values = table.column(column)
    told = (
        values.cast(pa.string()).to_pandas()
        if not pa.types.is_nested(values.type)
        else pd.Series(None, index=ids.index)
    )
    inside = told.map(lambda name: _inside(root, name), na_action="ignore")
    lacking = int((table.column(column).is_valid().to_pandas() & inside.isna() & by_id.isna()).sum())
    remark = (
        f"{column}: {lacking:,} items name no file within {root.name}/ (an address is not fetched); put theirs there "
        f"as {folder.name}/<item_id>{suffixes[0]}"
    )
    return inside.where(inside.notna(), by_id), [remark] if lacking else []


def _inside(root: Path, name: str) -> str | None:
    if "://" in name or "\x00" in name or len(name) > 1000:
        return None
    path = (root / name).resolve()
    is_there = path.is_relative_to(root.resolve()) and path.is_file()
    return path.relative_to(root.resolve()).as_posix() if is_there else None


def media_files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Item id → file, relative to the source. The folders are listed, so no id can name a file outside of them."""
    if not folder.is_dir():
        return {}
    files: dict[str, str] = {}
    for inside, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in suffixes:
                where = (Path(inside) / name).relative_to(folder.parent).as_posix()
                files.setdefault(stem, where)
    return files
