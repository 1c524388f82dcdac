"""`recloop.yaml` beside the files: what `--map` says, kept, and what does not fit into a line.

layout: ""                     # a known one to start from
events:
  file: clicks.csv
  columns: {user: visitorid, item: itemid, time: timestamp, type: event}
  unit: ms                     # zone, start, encoding, delimiter, header, quotes, event_type
  types: {addtocart: cart}     # event types by other names
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
from pathlib import Path
from typing import Any

from components.data.batch import DataContractError
from components.data.sources.map_text import WORDS
from components.data.sources.naming import SHORT

_TABLES = ("events", "items", "vectors")
_OF_TABLE = tuple(word for word in WORDS if word not in SHORT and word not in (*_TABLES, "layout", "missing"))


def read_map_file(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """What it says, as `read_map_text` gives it, and event types by other names. Raises DataContractError."""
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
    for table in _TABLES:
        said = words.get(table) or {}
        if said in ("none", "known"):
            said = {"file": said}
        _refuse_strangers(path, said, (*_OF_TABLE, "columns", "types"), table)
        columns = said.get("columns") or {}
        _refuse_strangers(path, columns, tuple(SHORT), f"{table}: columns")
        told |= {
            f"{table}.{word}": _text(value)
            for word, value in (said | columns).items()
            if word not in ("columns", "types")
        }
        types |= {str(theirs): str(ours) for theirs, ours in (said.get("types") or {}).items()}
    for word in ("layout", "missing"):
        if words.get(word):
            told[word] = _text(words[word])
    return told, types


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
