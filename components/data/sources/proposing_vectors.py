"""Which column of a folder's files may hold vectors of items: lists of numbers, as such or printed."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa

from components.data.sources.naming import proposed

_NUMBER = r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?"
_PRINTED = re.compile(rf"[\[({{]?\s*{_NUMBER}(?:[\s,;|]+{_NUMBER}){{3,}}\s*[\])}}]?")
_LOOKED_AT = 20  # values of a column


def vector_columns(tables: Mapping[str, pa.Table]) -> dict[str, str]:
    """File → its column of lists of numbers; of several the one that is called like a vector, else the first."""
    found = {}
    for file, table in tables.items():
        lists = [name for name in table.column_names if _holds_lists(table.column(name))]
        if lists:
            found[file] = proposed(("vector",), lists).get("vector", lists[0])
    return found


def _holds_lists(column: pa.ChunkedArray) -> bool:
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        member = kind.value_type
        return bool(pa.types.is_floating(member) or pa.types.is_decimal(member))
    if not pa.types.is_string(kind):
        return False
    values = column.drop_null().slice(0, _LOOKED_AT).to_pylist()
    if not any("." in value for value in values):  # whole numbers in a row may be tags
        return False
    return all(_PRINTED.fullmatch(value.strip()) for value in values)
