"""How a folder is to be read: as `recloop.yaml` in it says, by our own names, or as a layout that fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.finding import MAP_FILE, find_columns, find_files
from components.data.sources.layouts import LAYOUTS
from components.data.sources.map_file import MapFile, read_map_file
from components.data.sources.map_text import read_map_text, with_told
from components.data.sources.mapping import (
    OWN_NAMES,
    REQUIRED_EVENT_COLUMNS,
    REQUIRED_ITEM_COLUMNS,
    SourceMap,
    TableMap,
)


def source_map(root: Path, mapping: str) -> SourceMap:
    """The map of a folder, with what `--map` says above all. Raises DataContractError for words that mean nothing."""
    said = read_map_text(mapping)
    file = read_map_file(root / MAP_FILE) if (root / MAP_FILE).is_file() else MapFile()
    kept = dict(file.told)
    name = said.pop("layout", None) or kept.pop("layout", None)
    found = _named(name) if name else OWN_NAMES if kept else recognised(root) or OWN_NAMES
    if kept or file.types:
        found = with_told(found, kept, told_by=MAP_FILE, types=file.types)
    if said:
        found = with_told(found, said, told_by="--map")
    if found.told_by != OWN_NAMES.told_by:
        found = replace(found, remarks=(f"read as {found.told_by}", *found.remarks))
    return replace(found, event_weights=file.weights) if file.weights else found


def _named(name: str) -> SourceMap:
    if name not in LAYOUTS:
        raise DataContractError(f"no layout is called {name!r}. There are: {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]


def recognised(root: Path) -> SourceMap | None:
    """Our own names, or else a layout, whose files and columns are there; None where nothing fits."""
    if not root.is_dir():
        return None
    return next((layout for layout in (OWN_NAMES, *LAYOUTS.values()) if _fits(root, layout)), None)


def _fits(root: Path, layout: SourceMap) -> bool:
    tables: list[tuple[TableMap, tuple[str, ...]]] = [(layout.events, REQUIRED_EVENT_COLUMNS)]
    if layout.items is not None:
        tables.append((layout.items, _needed(layout.items)))
    try:
        found = [(find_files(root, table, "events"), table, needed) for table, needed in tables]
        return all(set(needed) <= find_columns(paths, table).taken.keys() for paths, table, needed in found)
    except (SourceUnavailable, DataContractError):
        return False


def _needed(items: TableMap) -> tuple[str, ...]:
    return REQUIRED_ITEM_COLUMNS if "title" in items.columns else ("item_id",)
