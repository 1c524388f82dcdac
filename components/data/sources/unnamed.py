"""Files without a header line: the first line holds values, and columns are called by their place until named.

Read as names, that line would be an event lost without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.data.batch import DataContractError
from components.data.sources.columns.written import written_forms
from components.data.sources.files.delimited import first_fields
from components.data.sources.files.form import FileForm
from components.data.sources.files.opened import bare_suffix
from components.data.sources.files.reading import DELIMITED
from components.data.sources.naming import num_known

_NAMES_ENOUGH = (
    2  # beside a column called `2022`, two known names tell a header; one may be an item called "News"
)
_EVENTS = frozenset({  # what a column of nothing else tells: what was done
    "pv", "view", "click", "clicks", "buy", "cart", "carts", "fav", "purchase", "order", "orders", "like", "addtocart",
    "transaction", "play", "impression", "share", "add", "checkout",
})  # fmt: skip


def form_by_look(path: Path) -> FileForm:
    """Its columns named `column1`, `column2`, … where its first line looks like values."""
    if not path.is_file() or bare_suffix(path) not in DELIMITED:
        return FileForm()
    try:
        fields = first_fields(path, FileForm())
    except DataContractError:  # whoever reads it says what is amiss
        return FileForm()
    if not holds_values(fields) or num_known(fields) >= _NAMES_ENOUGH:
        return FileForm()
    return FileForm(header=tuple(f"column{place}" for place, _ in enumerate(fields, start=1)))


def holds_values(fields: Sequence[str]) -> bool:
    """Whether one of them is a number or a time: no column is called so."""
    return any(_is_value(field.strip()) for field in fields)


def are_event_types(values: Sequence[str]) -> bool:
    """Whether these, of a column that nothing names, all say what was done."""
    return bool(values) and {value.casefold() for value in values} <= _EVENTS


def _is_value(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return (len(text) >= 8 and text[:4].isdigit() and text[4] == "-") or bool(written_forms([text]))
    return text.casefold() not in {"nan", "inf", "infinity"}
