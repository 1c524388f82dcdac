"""A mapping proposed for a folder: which file and column may mean what, with examples and reasons.

What a name and the values tell is proposed; what they cannot tell is a question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.columns.digits import judge_digits
from components.data.sources.mapping import ITEM_NAMES
from components.data.sources.matching import MatchedColumn, matched_column
from components.data.sources.naming import SHORT_OF, proposed
from components.data.sources.proposing_tables import more_rows, tables_in
from components.data.sources.proposing_vectors import vector_columns
from components.data.sources.recognising import recognised
from components.data.timestamps import MOMENT, NAIVE, read_timestamps

_KEYS = ("user_id", "item_id", "timestamp")
_MORE = ("event_type", "value")
_OF_ITEMS = tuple(field for field in ITEM_NAMES if field != "audio")
_ABOUT_ITEMS = tuple(field for field in _OF_ITEMS if field != "item_id")


@dataclass(frozen=True, kw_only=True)
class ProposedColumn:
    field: str  # ours
    column: str  # theirs
    example: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """What only a person can tell. The answer goes under `word` of `table` in recloop.yaml."""

    table: str  # events | items | vectors
    word: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ProposedTable:
    file: str  # "" if none was found
    columns: tuple[ProposedColumn, ...] = ()
    left: tuple[str, ...] = ()
    said: Mapping[str, str]  # further words: unit, delimiter
    why: str


@dataclass(frozen=True, kw_only=True)
class Proposal:
    known_as: str  # a layout, or "our names"; "" where files and columns had to be looked at
    events: ProposedTable
    items: ProposedTable
    vectors: ProposedTable | None  # None where no column holds lists of numbers
    questions: tuple[Question, ...]
    unread: tuple[str, ...]  # files that could not be looked at, and why


def propose(root: Path) -> Proposal:
    """Look at the first rows of each file. Raises SourceUnavailable where no table lies there."""
    if not root.is_dir():
        raise SourceUnavailable(f"{root}: is no folder. Pass the folder that your files lie in.")
    known = recognised(root)
    if known is not None:
        empty = ProposedTable(file="", said={}, why="")
        return Proposal(
            known_as=known.told_by, events=empty, items=empty, vectors=None, questions=(), unread=()
        )
    tables, unread = tables_in(root)
    if not tables:
        told = f" ({'; '.join(unread)})" if unread else ""
        raise SourceUnavailable(
            f"{root}: no table lies there: no CSV, TSV, JSON lines or parquet file{told}. Pass the folder "
            "that holds your "
            "events."
        )
    events, questions = _events(tables)
    items, more = _items(root, tables, events)
    vectors, asked = _vectors(tables, items)
    return Proposal(
        known_as="",
        events=events,
        items=items,
        vectors=vectors,
        questions=(*questions, *more, *asked),
        unread=tuple(unread),
    )


def _events(tables: Mapping[str, pa.Table]) -> tuple[ProposedTable, list[Question]]:
    found = {name: proposed(_KEYS, table.column_names) for name, table in tables.items()}
    best = max(found, key=lambda name: (len(found[name]), tables[name].num_rows, name))
    rivals = [name for name in found if len(found[name]) == len(found[best]) and name != best]
    questions = []
    table = tables[best]
    columns = proposed((*_KEYS, *_MORE), table.column_names)
    if "timestamp" not in columns and len(times := _like_times(table, columns)) == 1:
        columns["timestamp"] = times[0]
    for field in _KEYS:
        if field not in columns:
            questions.append(_which(best, "events", field, table))
    if rivals and len(found[best]) < len(_KEYS):
        questions.append(
            Question(
                table="events",
                word="file",
                text=f"which file holds the events: {', '.join([best, *rivals])}?",
            )
        )
    said: dict[str, str] = {}
    if "timestamp" in columns:
        said, asked = _of_time(best, columns["timestamp"], table)
        questions += asked
    why = f"it has columns for {_listed([field for field in _KEYS if field in columns])}"
    return _table(best, table, columns, said, why), questions


def _like_times(table: pa.Table, columns: Mapping[str, str]) -> list[str]:
    """Columns not taken yet whose values are written out as times."""
    found = []
    for name in table.column_names:
        column = table.column(name)
        if name in columns.values() or pa.types.is_nested(column.type) or pa.types.is_boolean(column.type):
            continue
        if (read_timestamps(column.to_pandas()).form.isin([MOMENT, NAIVE])).mean() > 0.9:
            found.append(name)
    return found


def _items(
    root: Path, tables: Mapping[str, pa.Table], events: ProposedTable
) -> tuple[ProposedTable, list[Question]]:
    """By the columns' names, and where the events' items are found among a column's values, by these."""
    others = {name: table for name, table in tables.items() if name != events.file}
    found = {name: proposed(_OF_ITEMS, table.column_names) for name, table in others.items()}
    matched = _matched(root, tables, events, others)
    for name, match in matched.items():
        free = [column for column in others[name].column_names if column != match.column]
        found[name] = {"item_id": match.column, **proposed(_ABOUT_ITEMS, free)}
    fitting = {name: columns for name, columns in found.items() if "item_id" in columns and len(columns) > 1}
    if not fitting:
        why = "no other file has ids of items and something about them: items are those that the events speak of"
        return ProposedTable(file="none", said={}, why=why), []
    by_values = {name: matched[name].found if name in matched else 0 for name in fitting}
    best = max(
        fitting, key=lambda name: (by_values[name], "title" in fitting[name], len(fitting[name]), name)
    )
    columns, table = fitting[best], tables[best]
    questions = [] if "title" in columns else [_which(best, "items", "title", table)]
    why = f"it has columns for {_listed(list(columns))}"
    if best in matched:
        why = f"{why}, and {matched[best].told}"
    return _table(best, table, columns, {}, why), questions


def _matched(
    root: Path, tables: Mapping[str, pa.Table], events: ProposedTable, others: Mapping[str, pa.Table]
) -> dict[str, MatchedColumn]:
    """File → its column that holds the events' items, where one does."""
    column = next((c.column for c in events.columns if c.field == "item_id"), None)
    if column is None:
        return {}
    items = tables[events.file].column(column)
    found = {}
    for name, sample in others.items():
        try:
            rows = more_rows(root, name)
        except DataContractError:  # a row further down is amiss, which whoever reads it all will say
            rows = sample
        # numbers from 1 on are users as well as items: what is called like a user is none
        elsewhere = proposed(("user_id", "timestamp"), rows.column_names).values()
        if match := matched_column(items, rows, without=elsewhere):
            found[name] = match
    return found


def _vectors(
    tables: Mapping[str, pa.Table], items: ProposedTable
) -> tuple[ProposedTable | None, list[Question]]:
    found = vector_columns(tables)
    if not found:
        return None, []
    file = max(found, key=lambda name: (name != items.file, tables[name].num_rows, name))
    columns = proposed(("item_id",), [name for name in tables[file].column_names if name != found[file]])
    if file == items.file:
        columns |= {c.field: c.column for c in items.columns if c.field == "item_id"}
    questions = [] if "item_id" in columns else [_which(file, "vectors", "item_id", tables[file])]
    why = f"{found[file]} holds lists of numbers"
    return _table(file, tables[file], {**columns, "vector": found[file]}, {}, why), questions


def _table(
    name: str, table: pa.Table, columns: Mapping[str, str], said: Mapping[str, str], why: str
) -> ProposedTable:
    taken = tuple(
        ProposedColumn(field=field, column=theirs, example=_example(table.column(theirs)))
        for field, theirs in columns.items()
    )
    left = tuple(theirs for theirs in table.column_names if theirs not in columns.values())
    return ProposedTable(file=name, columns=taken, left=left, said=said, why=why)


def _of_time(file: str, name: str, table: pa.Table) -> tuple[dict[str, str], list[Question]]:
    """The unit that the values tell, and the zone or start that they do not."""
    column = table.column(name)
    if pa.types.is_nested(column.type):
        return {}, []
    example = _example(column)
    told = judge_digits(column.cast(pa.string())) if not pa.types.is_temporal(column.type) else None
    zone = Question(
        table="events",
        word="zone",
        text=f"{file}: in which time zone are times such as {example} (UTC, Europe/Berlin)?",
    )
    if told is None:
        naive = (read_timestamps(column.to_pandas()).form == NAIVE).any()
        return ({}, [zone]) if naive else ({}, [])
    if "%" in told.unit:
        return {"unit": told.unit}, [zone]
    if told.unit.startswith("s:"):
        text = (
            f"{file}: {name} looks like {told.looks_like}; from which moment on, such as 2024-01-01T00:00Z?"
        )
        return {"unit": "s"}, [Question(table="events", word="start", text=text)]
    return ({"unit": told.unit} if told.unit else {}), []


def _which(file: str, table: str, field: str, sample: pa.Table) -> Question:
    names = ", ".join(sample.column_names[:20])
    return Question(
        table=table, word=SHORT_OF[field], text=f"{file}: which column is the {SHORT_OF[field]}, of {names}?"
    )


def _example(column: pa.ChunkedArray) -> str:
    first = next((value for value in column.to_pylist() if value not in (None, "")), "")
    text = str(first)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _listed(fields: Sequence[str]) -> str:
    return ", ".join(SHORT_OF[field] for field in fields)
