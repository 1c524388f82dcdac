"""A table as journals set it: a caption that says what it holds, a meaning under each heading, rules only above
and below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from components.evaluation.report.text import number, safe


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


def word(value: str, note: str = "", tone: str = "") -> Cell:
    return Cell(html=safe(value), note=safe(note), tone=tone)


def figure_of(value: float | None, form: str = ".4f", note: str = "", tone: str = "") -> Cell:
    """A number; finite or a dash."""
    return Cell(html=number(value, form), note=safe(note), tone=tone)


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> str:
    """The first cell of a row is its heading. A row has a cell for every column."""
    head = "".join(_heading(column) for column in columns)
    body = "".join(
        f"<tr>{''.join(_cell(cell, column, first=n == 0) for n, (cell, column) in enumerate(pairs))}</tr>"
        for pairs in (list(zip(row, columns, strict=True)) for row in rows)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{safe(caption, 400)}">'
        f"<table><caption>{safe(caption, 400)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _heading(column: Column) -> str:
    meaning = f"<small>{safe(column.meaning)}</small>" if column.meaning else ""
    return f'<th scope="col"{_kind(column)}>{safe(column.name)}{meaning}</th>'


def _cell(cell: Cell, column: Column, *, first: bool) -> str:
    note = f"<small>{cell.note}</small>" if cell.note else ""
    content = f'<span class="tone {cell.tone}">{cell.html}</span>' if cell.tone else cell.html
    opening, closing = ('<th scope="row"', "</th>") if first else ("<td", "</td>")
    return f"{opening}{_kind(column)}>{content}{note}{closing}"


def _kind(column: Column) -> str:
    return ' class="n"' if column.is_number else ""
