"""`recloop.yaml` beside the files: what `--map` says, kept, and what does not fit into a line.

layout: ""                     # a known one to start from
events:
  file: clicks.csv
  columns: {user: visitorid, item: itemid, time: timestamp, type: event}
  unit: ms                     # zone, start, encoding, delimiter, header, quotes, event_type
  types: {addtocart: cart}     # event types by other names
  weights: {view: 0.2}         # of event types, by the names that they then have; others weigh 1
items:
  file: products.csv           # none: the items of the events; known: those of the warehouse
  columns: {item: itemid, title: name}
  separator: ";"
vectors:                       # of items, computed elsewhere; none: they are left
  file: embeddings.parquet
  columns: {item: itemid, vector: embed}
missing: [NA]

In place of `file`, `query: SELECT …` with `database: SHOP_URL` reads a table of a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.data.batch import DataContractError
from components.data.sources.map_text import WORDS
from components.data.sources.naming import SHORT
from components.event_weights import checked_weight

_TABLES = ("events", "items", "vectors")
_OF_TABLE = tuple(word for word in WORDS if word not in SHORT and word not in (*_TABLES, "layout", "missing"))


@dataclass(frozen=True, kw_only=True)
class MapFile:
    """What a map file says: `told` as `read_map_text` gives it, and what fits into no line."""

    told: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)  # event types by other names: theirs → ours
    weights: dict[str, float] = field(default_factory=dict)  # of event types, ours


def read_map_file(path: Path) -> MapFile:
    """What it says. Raises DataContractError."""
    import yaml

    try:
        words = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataContractError(f"{path}: is no YAML ({error}). `recloop init` writes one.") from error
    _refuse_strangers(path, words, ("layout", *_TABLES, "missing", "open_questions"), "it")
    if words.get("open_questions"):
        raise DataContractError(
            f"{path}: open questions are left: {'; '.join(map(str, words['open_questions']))}. Answer them there, and "
            "remove them from the file."
        )
    told: dict[str, str] = {}
    types: dict[str, str] = {}
    weights: dict[str, float] = {}
    for table in _TABLES:
        said = words.get(table) or {}
        if said in ("none", "known"):
            said = {"file": said}
        more = ("types", "weights") if table == "events" else ("types",)
        _refuse_strangers(path, said, (*_OF_TABLE, "columns", *more), table)
        columns = said.get("columns") or {}
        _refuse_strangers(path, columns, tuple(SHORT), f"{table}: columns")
        told |= {
            f"{table}.{word}": _text(value)
            for word, value in (said | columns).items()
            if word not in ("columns", *more)
        }
        types |= _types(path, said.get("types") or {}, table)
        weights |= _weights(path, said.get("weights") or {})
    for word in ("layout", "missing"):
        if words.get(word):
            told[word] = _text(words[word])
    return MapFile(told=told, types=types, weights=weights)


def _types(path: Path, said: Any, table: str) -> dict[str, str]:
    if not isinstance(said, Mapping):
        raise DataContractError(
            f"{path}: {table}: types is no mapping of their names to ours. Write types: {{addtocart: cart}}"
        )
    return {str(theirs): str(ours) for theirs, ours in said.items()}


def _weights(path: Path, said: Any) -> dict[str, float]:
    if not isinstance(said, Mapping):
        raise DataContractError(
            f"{path}: events: weights is no mapping of event types to numbers. Write weights: {{view: 0.2}}"
        )
    try:
        return {str(name): checked_weight(str(name), weight) for name, weight in said.items()}
    except ValueError as error:
        raise DataContractError(f"{path}: events: weights: {error}") from error


def _refuse_strangers(path: Path, words: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(words, Mapping):
        raise DataContractError(
            f"{path}: {where} is no mapping of words to values. `recloop init` writes one."
        )
    if strangers := [word for word in words if word not in known]:
        raise DataContractError(
            f"{path}: {where} has {strangers[0]!r}, which means nothing here. There are: {', '.join(known)}."
        )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "|".join(map(str, value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
