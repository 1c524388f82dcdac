"""The event types of a file that is looked at: whether they should weigh alike only a person can tell."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from components.data.sources.columns.words import stripped, without_missing_words
from components.data.sources.event_table import plain_type

_MOST_TYPES = 20  # a column of more is hardly one of types


def types_in(column: pa.ChunkedArray) -> tuple[str, ...]:
    """Event types of the first rows as they will be called, ascending; empty where they are all one, or too many."""
    if pa.types.is_nested(column.type):
        return ()
    texts, _ = without_missing_words(stripped(column.cast(pa.string()))[0])
    found = sorted({plain_type(text) for text in pc.unique(texts.drop_null()).to_pylist()})
    return tuple(found) if 1 < len(found) <= _MOST_TYPES else ()


def weights_to_fill_in(types: tuple[str, ...]) -> str:
    """All of them at 1, as they weigh unsaid: a line of recloop.yaml that changes nothing until somebody does."""
    return f"weights: {json.dumps(dict.fromkeys(types, 1), ensure_ascii=False)}"
