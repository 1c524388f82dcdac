"""Your own data: a folder with events, items, and whatever images and sounds there are.

    events.csv | events.parquet | interactions.csv | interactions.parquet
    items.csv | items.parquet
    images/<item_id>.jpg | .jpeg | .png | .webp         (optional)
    audio/<item_id>.wav                                 (optional)

Columns, with the other names they go by:

    events  user_id (user), item_id (item), timestamp (time, ts): required
            value (rating, price), event_type (event, type), event_id: optional
    items   item_id (item), title (name): required
            description (plot), categories (genres), attributes (tags), year, available_at: optional

Timestamps are epoch seconds, ISO 8601 with a zone, or datetimes with a zone. Several categories or
attributes are joined by `|`. Other columns are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pandas as pd

from components.data.batch import EVENT_COLUMNS, ITEM_COLUMNS, Batch, DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.arrival import events_arrived, items_arrived

EVENT_NAMES: Mapping[str, tuple[str, ...]] = {
    "event_id": ("event_id",),
    "user_id": ("user_id", "user"),
    "item_id": ("item_id", "item"),
    "event_type": ("event_type", "event", "type"),
    "timestamp": ("timestamp", "time", "ts"),
    "value": ("value", "rating", "price"),
}
ITEM_NAMES: Mapping[str, tuple[str, ...]] = {
    "item_id": ("item_id", "item"),
    "title": ("title", "name"),
    "description": ("description", "plot"),
    "categories": ("categories", "genres"),
    "attributes": ("attributes", "tags"),
    "year": ("year",),
    "available_at": ("available_at",),
}
REQUIRED_EVENT_COLUMNS = ("user_id", "item_id", "timestamp")
REQUIRED_ITEM_COLUMNS = ("item_id", "title")

_EVENT_FILES = ("events.csv", "events.parquet", "interactions.csv", "interactions.parquet")
_ITEM_FILES = ("items.csv", "items.parquet")
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_AUDIO_SUFFIXES = (".wav",)


def read_folder(
    path: Path, *, since: datetime | None = None, until: datetime | None = None, source: str | None = None
) -> Batch:
    """Events with since <= timestamp < until and the items available by `until`, as they stand in the files.

    `source` names the dataset (default: the folder's name). Raises SourceUnavailable for a missing file and
    DataContractError for one that cannot be read or lacks a column.
    """
    events_path, items_path = _find(path, _EVENT_FILES, "events"), _find(path, _ITEM_FILES, "items")
    events, items = _events(_read(events_path), events_path), _items(_read(items_path), items_path)
    return Batch(
        source=source or path.resolve().name,
        events=events_arrived(events, since=since, until=until),
        items=items_arrived(items, until=until),
        event_key=("user_id", "item_id", "event_type", "timestamp"),
    )


def _find(folder: Path, names: tuple[str, ...], what: str) -> Path:
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        raise SourceUnavailable(
            f"{folder}: no file of {what}; one of {', '.join(names)} must lie there. "
            "Check the path, or export your data under one of these names."
        )
    if len(found) > 1:
        raise DataContractError(
            f"{folder}: {found[0].name} and {found[1].name} both hold {what}. Keep one of them there."
        )
    return found[0]


def _read(path: Path) -> pd.DataFrame:
    """The file's table; in CSV every value stays text, and only an empty field is missing."""
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:  # what parsers, decoders and pyarrow raise are kinds of these
        raise DataContractError(
            f"{path}: cannot be read as {path.suffix[1:]} ({error}). Export it again as UTF-8 CSV with a "
            "header line, or as parquet."
        ) from error


def _renamed(
    table: pd.DataFrame, path: Path, names: Mapping[str, tuple[str, ...]], required: tuple[str, ...]
) -> pd.DataFrame:
    """Only the columns that are known, under our names, with `source_row` (counted from 0, header aside)."""
    columns = {}
    for ours, theirs in names.items():
        present = [name for name in theirs if name in table.columns]
        if len(present) > 1:
            raise DataContractError(
                f"{path}: columns {present[0]!r} and {present[1]!r} both mean {ours}. Remove or rename one."
            )
        if present:
            columns[ours] = table[present[0]]
        elif ours in required:
            raise DataContractError(
                f"{path}: no column {ours!r}; found {', '.join(map(repr, table.columns))}. "
                f"Name it {' or '.join(map(repr, theirs))}."
            )
    columns["source_row"] = pd.Series(range(len(table)), index=table.index)
    return pd.DataFrame(columns)


def _events(raw: pd.DataFrame, path: Path) -> pd.DataFrame:
    table = _renamed(raw, path, EVENT_NAMES, REQUIRED_EVENT_COLUMNS)
    table = table.assign(user_id=_id_text(table["user_id"]), item_id=_id_text(table["item_id"]))
    if "event_type" not in table:
        table = table.assign(event_type="rating" if "rating" in raw.columns else "interaction")
    return table.reindex(columns=[*EVENT_COLUMNS, "source_row"])


def _items(raw: pd.DataFrame, path: Path) -> pd.DataFrame:
    table = _renamed(raw, path, ITEM_NAMES, REQUIRED_ITEM_COLUMNS)
    ids = _id_text(table["item_id"])
    images = _media(path.parent / "images", _IMAGE_SUFFIXES)
    audio = _media(path.parent / "audio", _AUDIO_SUFFIXES)
    table = table.assign(item_id=ids, image_path=ids.map(images), audio_path=ids.map(audio))
    if "year" in table:
        year = "year:" + _id_text(table["year"]).where(table["year"].notna())
        told = (
            table["attributes"] if "attributes" in table else pd.Series(None, index=table.index, dtype=object)
        )
        table = table.assign(attributes=(told + "|" + year).fillna(told).fillna(year))
    return table.reindex(columns=[*ITEM_COLUMNS, "source_row"])


def _id_text(ids: pd.Series) -> pd.Series:
    """Ids as text; whole numbers that parquet keeps as floats lose their `.0`."""
    if pd.api.types.is_float_dtype(ids) and (ids.dropna() % 1 == 0).all():
        ids = ids.astype("Int64")
    return ids.astype(object).where(ids.isna(), ids.astype(str))


def _media(folder: Path, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Item id to file. Relative to the source; the folder is listed, so no id can name a file outside it."""
    if not folder.is_dir():
        return {}
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.is_file())
    return {file.stem: f"{folder.name}/{file.name}" for file in reversed(files)}
