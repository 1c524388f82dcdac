"""A table as journals set it: a caption that says what it holds, a meaning under each heading, rules only above
and below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from components.report.text import number, safe


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading and what the figures under it mean."""

    name: str
    meaning: str = ""
    is_number: bool = True


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One entry; `note` stands small beneath it. `html` is finished HTML, escaped by whoever made it."""

    html: str
    note: str = ""
    tone: str = ""  # passed, failed, unproven, not-evaluable
    num_rows: int = 1  # a heading of several rows; those after it have no cell for its column


def word(value: str, note: str = "", tone: str = "") -> Cell:
    return Cell(html=safe(value), note=safe(note), tone=tone)


def figure_of(value: float | None, form: str = ".4f", note: str = "", tone: str = "") -> Cell:
    """A number; finite or a dash."""
    return Cell(html=number(value, form), note=safe(note), tone=tone)


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> str:
    """The first cell of a row is its heading. A row has a cell for every column, or its heading is above it."""
    head = "".join(_heading(column) for column in columns)
    body = "".join(f"<tr>{_cells(row, columns)}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{safe(caption, 400)}">'
        f"<table><caption>{safe(caption, 400)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _heading(column: Column) -> str:
    meaning = f"<small>{safe(column.meaning)}</small>" if column.meaning else ""
    return f'<th scope="col"{_kind(column)}>{safe(column.name)}{meaning}</th>'


def _cells(row: Sequence[Cell], columns: Sequence[Column]) -> str:
    missing = len(columns) - len(row)
    assert missing in (0, 1), f"{len(row)} cells under {len(columns)} headings"
    return "".join(
        _cell(cell, column, is_heading=missing + n == 0)
        for n, (cell, column) in enumerate(zip(row, columns[missing:], strict=True))
    )


def _cell(cell: Cell, column: Column, *, is_heading: bool) -> str:
    note = f"<small>{cell.note}</small>" if cell.note else ""
    content = f'<span class="tone {cell.tone}">{cell.html}</span>' if cell.tone else cell.html
    if not is_heading:
        return f"<td{_kind(column)}>{content}{note}</td>"
    scope = f'"rowgroup" rowspan="{cell.num_rows}"' if cell.num_rows > 1 else '"row"'
    return f"<th scope={scope}{_kind(column)}>{content}{note}</th>"


def _kind(column: Column) -> str:
    return ' class="n"' if column.is_number else ""
