"""Delimited text, row by row: every row has the header's fields, and none hides inside a quoted field.

A reader that forgives (an odd quote, a field too many, a line cut off) loses rows or shifts columns without a
word; this one names the line instead.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.data.batch import DataContractError
from components.data.sources.files.cut_off import refuse_cut_off
from components.data.sources.files.form import FileForm, RawTable, named_columns
from components.data.sources.files.opened import bare_suffix, open_lines
from components.data.sources.files.swallowed import Swallowed

_DELIMITERS = {"\t": "a tab", ";": "';'", "|": "'|'", "::": "'::'"}
_ROWS_AT_ONCE = 65_536


class _Quoted(csv.excel):
    strict = True  # nothing but a delimiter may follow a closing quote


class _Unquoted(csv.excel):
    strict = True
    quoting = csv.QUOTE_NONE


@dataclass
class _Watched:
    """Lines on their way to the parser; those of the record being read are kept."""

    lines: Iterator[str]
    delimiter: str
    number: int = 0  # of the line handed over last, from 1
    span: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            self.number += 1
            self.span.append(line)
            yield line

    @property
    def first(self) -> int:
        """Number of the record's first line."""
        return self.number - len(self.span) + 1


def delimited_names(path: Path, form: FileForm) -> tuple[list[str], tuple[str, ...]]:
    """The columns' names, and what was guessed of the file."""
    with _records(path, form) as (names, _, _, remarks):
        return names, remarks


def read_delimited(
    path: Path, form: FileForm, *, wanted: Collection[str], keys: Collection[str], texts: Collection[str] = ()
) -> RawTable:
    """The wanted columns as text; an empty field is null.

    `keys` are the columns by whose look a row is known, `texts` those of prose. Raises DataContractError naming the
    line of a row with other fields than the header's, of a quote that swallows rows, and of a cut-off end.
    """
    with _records(path, form) as (names, records, watched, remarks):
        at = [names.index(name) for name in wanted]
        swallowed = Swallowed(path, names, [names.index(name) for name in keys if name in names])
        chunks: list[list[pa.Array]] = []
        rows: list[list[str]] = []
        last = ""
        for record in records:
            if len(watched.span) > 1:
                swallowed.refuse(watched.span, watched.first, watched.delimiter)
            swallowed.learn(record)
            rows.append(record)
            last = watched.span[-1]
            watched.span.clear()
            if len(rows) == _ROWS_AT_ONCE:
                chunks.append(_arrays(rows, at))
                rows = []
        chunks.append(_arrays(rows, at))
    columns = [pa.chunked_array([chunk[n] for chunk in chunks], type=pa.string()) for n in range(len(at))]
    table = pa.table(dict(zip([names[n] for n in at], columns, strict=True)))
    if last and names[-1] in table.column_names:
        remarks += refuse_cut_off(
            path, last, table.column(names[-1]), names[-1], is_text=names[-1] in texts, line=watched.number
        )
    return RawTable(path=path, table=table, remarks=remarks)


def first_fields(path: Path, form: FileForm) -> list[str]:
    """The fields of the first line, be they names or values; none of an empty file."""
    delimiter, _ = _delimiter(path, form)
    with open_lines(path, form.text_encoding) as lines:
        parsed = _parsed(path, _Watched(lines, delimiter), quoted=form.quoted)
        return next((fields for fields in parsed if any(field.strip() for field in fields)), [])


def sample_delimited(path: Path, form: FileForm, *, num_rows: int) -> tuple[list[str], list[list[str]]]:
    """The columns' names and the first rows."""
    with _records(path, form) as (names, records, watched, _):
        rows = []
        for record in islice(records, num_rows):
            rows.append(record)
            watched.span.clear()
        return names, rows


@contextmanager
def _records(
    path: Path, form: FileForm
) -> Iterator[tuple[list[str], Iterator[list[str]], _Watched, tuple[str, ...]]]:
    delimiter, remarks = _delimiter(path, form)
    with open_lines(path, form.text_encoding) as lines:
        watched = _Watched(lines, delimiter)
        parsed = _parsed(path, watched, quoted=form.quoted)
        if form.header is None:
            first = next((fields for fields in parsed if any(field.strip() for field in fields)), None)
            if first is None:
                raise DataContractError(
                    f"{path}: cannot be read as {bare_suffix(path)[1:] or 'text'}: it is empty, not even a "
                    "header line. Export it again with one."
                )
            names = named_columns(path, first)
            if form.typed_header:
                names = [name.partition(":")[0] for name in names]
            watched.span.clear()
        else:
            names = list(form.header)
        yield names, _whole(path, parsed, names, watched), watched, remarks


def _whole(
    path: Path, parsed: Iterator[list[str]], names: Sequence[str], watched: _Watched
) -> Iterator[list[str]]:
    """Records with as many fields as there are names; blank lines are none."""
    for record in parsed:
        if len(record) != len(names):
            if not any(value.strip() for value in record):
                watched.span.clear()
                continue
            raise DataContractError(_misshapen(path, record, names, watched))
        yield record


def _parsed(path: Path, watched: _Watched, *, quoted: bool) -> Iterator[list[str]]:
    delimiter = watched.delimiter
    if len(delimiter) > 1:
        for line in watched:
            yield line.rstrip("\r\n").split(delimiter)
        return
    dialect = _Quoted if quoted else _Unquoted
    try:
        yield from csv.reader(iter(watched), dialect, delimiter=delimiter)
    except csv.Error as error:
        raise DataContractError(_odd_quote(path, watched, error)) from error


def _odd_quote(path: Path, watched: _Watched, error: csv.Error) -> str:
    where = f"line {watched.first:,}"
    if "field larger than field limit" in str(error) or "end of data" in str(error):
        told = f"a quote opens in {where} and is not closed up to line {watched.number:,}"
    elif len(watched.span) > 1:
        told = (
            f"a quote opens in {where}, and what closes it, in line {watched.number:,}, stands within a field: the "
            "rows between would be lost"
        )
    else:
        told = f"a quoted field of {where} goes on after its closing quote"
    return (
        f"{path}: {told} ({watched.span[0].strip()[:120]!r}). Remove the stray quote, write it twice inside a quoted "
        "field, or say --map quotes=no if nothing in the file is quoted."
    )


def _misshapen(path: Path, record: list[str], names: Sequence[str], watched: _Watched) -> str:
    told = (
        f"{path}: cannot be read: the row in line {watched.first:,} has {len(record)} fields, the header {len(names)} "
        f"({watched.span[0].strip()[:120]!r})."
    )
    if len(record) == len(names) + 1 and not record[-1]:
        return f"{told} Its last field is empty: remove the delimiter at the end of the rows, or add one to the header."
    if len(record) < len(names) and not watched.span[-1].endswith(("\n", "\r")):
        return f"{told} The file ends within this line: it was cut off. Export it again, or remove the line."
    return f"{told} Quote fields that hold the delimiter, or export the file again."


def _delimiter(path: Path, form: FileForm) -> tuple[str, tuple[str, ...]]:
    """As told, by the suffix, or the one that parts the first line; what was guessed is said."""
    if form.delimiter:
        return form.delimiter, ()
    if bare_suffix(path) in {".tsv", ".tab", ".inter", ".item", ".user"}:
        return "\t", ()
    with open_lines(path, form.text_encoding) as lines:
        first = re.sub(r'"[^"]*"', "", next((line for line in lines if line.strip()), ""))
    if "," in first:
        return ",", ()
    for candidate in ("::", *_DELIMITERS):
        if candidate in first.rstrip("\r\n"):
            return candidate, (f"fields are parted by {_DELIMITERS[candidate]}, as in the first line",)
    return ",", ()


def _arrays(rows: list[list[str]], at: list[int]) -> list[pa.Array]:
    found = []
    for n in at:
        texts = pa.array([row[n] for row in rows], type=pa.string())
        found.append(pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts))
    return found
