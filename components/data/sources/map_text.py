"""What a person says of a source, in one line: `user=visitorid,item=itemid,time=timestamp:ms,type=event`.

    user, item, time, type, value, event                       columns of the events (event: their id)
    title, description, categories, attributes, year, available, image, audio     columns of the items
    vector                                                     column of their vectors
    events, items                                              names of the files; items=none: those of the events;
                                                               items=known: those of the warehouse
    vectors                                                    name of the file of item vectors; none: they are left
    zone, unit, start                                          of the times; time=COLUMN:UNIT says the unit too
    event_type                                                 of every event, where no column says it
    encoding, delimiter, header, quotes, separator, repeats, missing, layout

`items.`, `events.` or `vectors.` before a word says it of one table alone.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from components.data.batch import DataContractError
from components.data.sources.columns.times import TimeForm
from components.data.sources.files.form import FileForm
from components.data.sources.mapping import ITEM_NAMES, OWN_VECTORS, SourceMap, TableMap
from components.data.sources.naming import SHORT

_TABLES = ("events", "items", "vectors")
_OF_EVENTS = ("user", "item", "time", "type", "value", "event")
_OF_ITEMS = (
    "item", "title", "description", "categories", "attributes", "year", "available", "image", "audio",
)  # fmt: skip
_OF_VECTORS = ("item", "vector")
_OF_FORM = ("encoding", "delimiter", "header", "quotes")
_OF_TABLE = ("file", *_OF_FORM, "separator", "repeats", "event_type", "query", "database")
_OF_TIME = ("zone", "unit", "start")
_OF_SOURCE = ("missing", "layout")
WORDS = tuple(dict.fromkeys((*_TABLES, *SHORT, *_OF_TABLE, *_OF_TIME, *_OF_SOURCE)))
_DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "\\t": "\t"}

Told = Mapping[str, str]  # "events.user" → "visitorid"


def read_map_text(text: str) -> dict[str, str]:
    """The words and what they say, each of one table. Raises DataContractError naming the part that cannot be read."""
    said: dict[str, str] = {}
    told: dict[str, str] = {}
    of_one: dict[str, str] = {}  # a word said of one table alone beats one that is said of both
    for part in filter(None, (part.strip() for part in text.split(","))):
        word, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise DataContractError(
                f"--map: {part!r} says nothing. Write word=value, such as user=visitorid,item=itemid,time=timestamp:ms"
            )
        if word in said:
            raise DataContractError(f"--map: {word!r} is said twice. Say it once.")
        said[word] = value
        keys = dict.fromkeys(_keys(word, f"--map: {part!r}"), value)
        (of_one if "." in word else told).update(keys)
    return _with_units(told | of_one)


def with_told(
    base: SourceMap, told: Told, *, told_by: str, types: Mapping[str, str] | None = None
) -> SourceMap:
    """The base with what was said in its place. Raises DataContractError for what cannot be meant."""
    events = _table(base.events, told, "events", _OF_EVENTS, told_by)
    items = base.items
    if told.get("items.file") in ("none", "known"):
        items = None
    elif items is None and any(
        key.startswith("items.") and key.partition(".")[2] in (*_OF_ITEMS, "file", "query")
        for key in told
        if key != "items.item"
    ):
        items = TableMap(files=(), columns=ITEM_NAMES)
    if items is not None:
        items = _table(items, told, "items", _OF_ITEMS, told_by)
    vectors = None
    if told.get("vectors.file") != "none" and (base.vectors or _speaks_of("vectors", told)):
        vectors = _table(base.vectors or OWN_VECTORS, told, "vectors", _OF_VECTORS, told_by)
    missing = tuple(filter(None, told.get("missing", "").split("|")))
    return replace(
        base,
        told_by=told_by if base.told_by == "our names" else f"{base.told_by}, with {told_by}",
        events=events,
        items=items,
        vectors=vectors,
        time=_time(base.time, told, "events", told_by),
        available=_time(base.available, told, "items", told_by),
        missing=(*base.missing, *missing),
        event_types={**base.event_types, **(types or {})},
        items_known=items is None and told.get("items.file", "known" if base.items_known else "") == "known",
        items_of_events=base.items_of_events and items is not None,
    )


def _keys(word: str, where: str) -> Iterable[str]:
    """The tables that a word is said of."""
    table, dot, inner = word.partition(".")
    if dot and table in _TABLES and inner in WORDS:
        return (f"{table}.{inner}",)
    if word in _OF_SOURCE:
        return (word,)
    if word in _TABLES:
        return (f"{word}.file",)
    of_events = word in (*_OF_EVENTS, *_OF_TABLE, *_OF_TIME) and word not in (
        "separator",
        "repeats",
        "file",
        "query",
    )
    of_items = word in (*_OF_ITEMS, *_OF_FORM, "separator", "repeats", "zone", "database")
    of_vectors = word in (*_OF_VECTORS, "encoding", "delimiter", "quotes", "database")
    if not (of_events or of_items or of_vectors):
        near = difflib.get_close_matches(word, WORDS, n=1)
        raise DataContractError(
            f"{where}: {word!r} is no word of a mapping{f'; {near[0]!r} is' if near else ''}. There are: "
            f"{', '.join(WORDS)}."
        )
    said_of = zip(_TABLES, (of_events, of_items, of_vectors), strict=True)
    return [f"{table}.{word}" for table, said in said_of if said]


def _speaks_of(table: str, told: Told) -> bool:
    """Whether something is said of this table alone."""
    return any(f"{table}.{word}" in told for word in ("file", "query", "vector"))


def _with_units(told: dict[str, str]) -> dict[str, str]:
    """`time=timestamp:ms` says column and unit."""
    for key, unit in (("events.time", "events.unit"), ("items.available", "items.unit")):
        column, colon, said = told.get(key, "").partition(":")
        if colon:
            said, start, moment = said.partition(":start=")
            told |= {key: column, unit: said} | ({unit.replace("unit", "start"): moment} if start else {})
    return told


def _table(base: TableMap, told: Told, table: str, fields: tuple[str, ...], told_by: str) -> TableMap:
    said = {word: told[key] for word in (*fields, *_OF_TABLE) if (key := f"{table}.{word}") in told}
    named = {SHORT[word]: said[word] for word in fields if word in said}
    # one word names the item's column in all tables; where items or vectors have no such column, it is called as ours
    columns = {
        field: (name, *base.columns.get(field, ())) if table != "events" and field == "item_id" else (name,)
        for field, name in named.items()
    }
    return replace(
        base,
        files=(said["file"],) if "file" in said else base.files,
        part_files=() if "file" in said else base.part_files,
        optional=base.optional and not {"file", "query"} & said.keys(),
        all_files=base.all_files or "*" in said.get("file", ""),
        columns={**base.columns, **columns},
        told=(*base.told, *named),
        form=_form(base.form, said, told_by),
        event_type=said.get("event_type", base.event_type),
        separator=_DELIMITERS.get(
            said.get("separator", base.separator), said.get("separator", base.separator)
        ),
        query=said.get("query", base.query),
        database=said.get("database", base.database),
        distinct=_repeats(said["repeats"], told_by) if "repeats" in said else base.distinct,
    )


def _form(base: FileForm, said: Told, told_by: str) -> FileForm:
    changed: dict[str, Any] = {}
    if "encoding" in said:
        changed["encoding"] = said["encoding"]
    if "delimiter" in said:
        delimiter = _DELIMITERS.get(said["delimiter"], said["delimiter"])
        if len(delimiter) != 1 and delimiter != "::":
            raise DataContractError(
                f"{told_by}: {said['delimiter']!r} is no delimiter. Write one character, ::, or a word: "
                f"{', '.join(_DELIMITERS)}"
            )
        changed["delimiter"] = delimiter
    if "header" in said:
        changed["header"] = tuple(name.strip() for name in said["header"].split("|"))
    if "quotes" in said:
        changed["quoted"] = said["quotes"].lower() in {"yes", "true", "on"}
    return replace(base, **changed)


def _time(base: TimeForm, told: Told, table: str, told_by: str) -> TimeForm:
    said: dict[str, Any] = {word: told[key] for word in _OF_TIME if (key := f"{table}.{word}") in told}
    try:
        if "start" in said:
            start = datetime.fromisoformat(said["start"])
            if start.tzinfo is None:
                raise ValueError(f"start={said['start']} has no zone: write {said['start']}Z if it is UTC")
            said["start"] = start
        return replace(base, **said)
    except ValueError as error:
        raise DataContractError(f"{told_by}: {error}.") from error


def _repeats(word: str, told_by: str) -> bool:
    if word not in ("first", "quarantine"):
        raise DataContractError(
            f"{told_by}: repeats={word} is neither first (of several rows of one item the first counts) nor quarantine"
        )
    return word == "first"
