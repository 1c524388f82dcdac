"""A table as journals set it: a caption that says what it holds, a meaning under each heading, rules only above
and below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from components.report.templates import Markup, render
from components.report.text import clean, number


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading and what the figures under it mean."""

    name: str
    meaning: str = ""
    is_number: bool = True


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One entry; `note` stands small beneath it. Text is escaped, `Markup` stands as it is."""

    content: str
    note: str = ""
    tone: str = ""  # passed, failed, unproven, not-evaluable
    num_rows: int = 1  # a heading of several rows; those after it have no cell for its column


def word(value: str, note: str = "", tone: str = "") -> Cell:
    return Cell(content=clean(value), note=clean(note), tone=tone)


def figure_of(value: float | None, form: str = ".4f", note: str = "", tone: str = "") -> Cell:
    """A number; finite or a dash."""
    return Cell(content=number(value, form), note=clean(note), tone=tone)


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> Markup:
    """The first cell of a row is its heading. A row has a cell for every column, or its heading is above it."""
    placed = [list(_placed(row, columns)) for row in rows]
    return render("table", caption=caption, columns=columns, rows=placed)


def _placed(row: Sequence[Cell], columns: Sequence[Column]) -> Iterator[tuple[Cell, Column, bool]]:
    """Each cell with its column, and whether it is the row's heading."""
    missing = len(columns) - len(row)
    assert missing in (0, 1), f"{len(row)} cells under {len(columns)} headings"
    for n, (cell, column) in enumerate(zip(row, columns[missing:], strict=True)):
        yield cell, column, missing + n == 0
