"""A mapping proposed for a folder: which file and column may mean what, with examples and reasons.

What a name and the values tell is proposed; what they cannot tell is a question.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.mapping import ITEM_NAMES
from components.data.sources.matching import MatchedColumn, matched_column
from components.data.sources.naming import SHORT_OF, proposed
from components.data.sources.proposing_tables import Sampled, example_of, more_rows, tables_in
from components.data.sources.proposing_times import like_times, of_time, of_written_time
from components.data.sources.proposing_types import types_in
from components.data.sources.proposing_vectors import vector_columns
from components.data.sources.recognising import recognised
from components.data.sources.unnamed import are_event_types

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
    types: tuple[str, ...] = ()  # of events, where there are several
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
        raise SourceUnavailable(f"there is no folder {root}. Pass the folder that your files lie in.")
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
            "that holds your events."
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


def _events(tables: Mapping[str, Sampled]) -> tuple[ProposedTable, list[Question]]:
    keys = {name: _num_keys(sample) for name, sample in tables.items()}
    best = max(keys, key=lambda name: (keys[name], tables[name].rows.num_rows, name))
    unnamed = tables[best].form.header is not None
    rivals = [name for name in keys if name != best and (unnamed or keys[name] == keys[best])]
    questions = []
    sample, table = tables[best], tables[best].rows
    columns = _named((*_KEYS, *_MORE), sample)
    if "timestamp" not in columns and len(times := like_times(table, without=columns.values())) == 1:
        columns["timestamp"] = times[0]
    if sample.form.header and len(deeds := _like_types(table)) == 1:
        columns["event_type"] = deeds[0]
    for field in _KEYS:
        if field not in columns:
            questions.append(_which(best, "events", field, sample, without=columns.values()))
    if rivals and keys[best] < len(_KEYS):
        questions.append(
            Question(
                table="events",
                word="file",
                text=f"which file holds the events: {', '.join([best, *rivals])}?",
            )
        )
    said: dict[str, str] = {}
    if "timestamp" in columns:
        said, asked = of_time(best, columns["timestamp"], table)
        questions += [Question(table="events", word=word, text=text) for word, text in asked.items()]
    there = [field for field in _KEYS if field in columns]
    why = f"it has columns for {_listed(there)}" if there else "nothing else may be"
    types = types_in(table.column(columns["event_type"])) if "event_type" in columns else ()
    return replace(_table(best, sample, columns, said, why), types=types), questions


def _num_keys(sample: Sampled) -> int:
    """Of user, item and time: those that a column is called like, or two where values of an unnamed one are times."""
    if sample.form.header:
        return 2 if like_times(sample.rows, without=()) else 0
    return len(_named(_KEYS, sample))


def _named(fields: Sequence[str], sample: Sampled) -> dict[str, str]:
    """Field → the column that it may be, by their names; none where nothing names them."""
    return {} if sample.form.header else proposed(fields, sample.rows.column_names)


def _like_types(table: pa.Table) -> list[str]:
    """Columns of words that say what was done, and of nothing else."""
    texts = [name for name in table.column_names if pa.types.is_string(table.column(name).type)]
    return [name for name in texts if are_event_types(table.column(name).drop_null().unique().to_pylist())]


def _items(
    root: Path, tables: Mapping[str, Sampled], events: ProposedTable
) -> tuple[ProposedTable, list[Question]]:
    """By the columns' names, and where the events' items are found among a column's values, by these."""
    others = {name: table for name, table in tables.items() if name != events.file}
    found = {name: _named(_OF_ITEMS, sample) for name, sample in others.items()}
    matched = _matched(root, tables, events, others)
    for name, match in matched.items():
        free = [column for column in others[name].rows.column_names if column != match.column]
        found[name] = {"item_id": match.column, **proposed(_ABOUT_ITEMS, free)}
    fitting = {name: columns for name, columns in found.items() if "item_id" in columns and len(columns) > 1}
    if not fitting:
        why = "no other file has ids of items and something about them: items are those that the events speak of"
        return ProposedTable(file="none", said={}, why=why), []
    by_values = {name: matched[name].found if name in matched else 0 for name in fitting}
    best = max(
        fitting, key=lambda name: (by_values[name], "title" in fitting[name], len(fitting[name]), name)
    )
    columns = fitting[best]
    questions = [] if "title" in columns else [_which(best, "items", "title", tables[best])]
    said: dict[str, str] = {}
    if "available_at" in columns:
        said, asked = of_written_time(best, columns["available_at"], tables[best].rows)
        questions += [Question(table="items", word=word, text=text) for word, text in asked.items()]
    why = f"it has columns for {_listed(list(columns))}"
    if best in matched:
        why = f"{why}, and {matched[best].told}"
    return _table(best, tables[best], columns, said, why), questions


def _matched(
    root: Path, tables: Mapping[str, Sampled], events: ProposedTable, others: Mapping[str, Sampled]
) -> dict[str, MatchedColumn]:
    """File → its column that holds the events' items, where one does."""
    column = next((c.column for c in events.columns if c.field == "item_id"), None)
    if column is None:
        return {}
    items = tables[events.file].rows.column(column)
    found = {}
    for name, sample in others.items():
        try:
            rows = more_rows(root, name, sample.form)
        except DataContractError:  # a row further down is amiss, which whoever reads it all will say
            rows = sample.rows
        # numbers from 1 on are users as well as items: what is called like a user is none
        elsewhere = proposed(("user_id", "timestamp"), rows.column_names).values()
        if match := matched_column(items, rows, without=elsewhere):
            found[name] = match
    return found


def _vectors(
    tables: Mapping[str, Sampled], items: ProposedTable
) -> tuple[ProposedTable | None, list[Question]]:
    found = vector_columns({name: sample.rows for name, sample in tables.items()})
    if not found:
        return None, []
    file = max(found, key=lambda name: (name != items.file, tables[name].rows.num_rows, name))
    columns = proposed(("item_id",), [name for name in tables[file].rows.column_names if name != found[file]])
    if file == items.file:
        columns |= {c.field: c.column for c in items.columns if c.field == "item_id"}
    questions = [] if "item_id" in columns else [_which(file, "vectors", "item_id", tables[file])]
    why = f"{found[file]} holds lists of numbers"
    return _table(file, tables[file], {**columns, "vector": found[file]}, {}, why), questions


def _table(
    name: str, sample: Sampled, columns: Mapping[str, str], said: Mapping[str, str], why: str
) -> ProposedTable:
    table = sample.rows
    if sample.form.header:
        said = {"header": "|".join(sample.form.header), **said}
    taken = tuple(
        ProposedColumn(field=field, column=theirs, example=example_of(table.column(theirs)))
        for field, theirs in columns.items()
    )
    left = tuple(theirs for theirs in table.column_names if theirs not in columns.values())
    return ProposedTable(file=name, columns=taken, left=left, said=said, why=why)


def _which(file: str, table: str, field: str, sample: Sampled, without: Collection[str] = ()) -> Question:
    shown = [name for name in sample.rows.column_names if name not in without][:20]
    if sample.form.header:  # a place says nothing by itself
        shown = [f"{name} (such as {example_of(sample.rows.column(name))})" for name in shown]
    names = ", ".join(shown)
    return Question(
        table=table, word=SHORT_OF[field], text=f"{file}: which column is the {SHORT_OF[field]}, of {names}?"
    )


def _listed(fields: Sequence[str]) -> str:
    return ", ".join(SHORT_OF[field] for field in fields)
