"""Texts and lists of an item: prose as one text, categories and attributes as members joined by `|`.

Lists come as columns of lists, structs or maps, or as their print within a text: `['Action', 'Drama']`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from typing import Any

import pandas as pd
import pyarrow as pa

from components.data.sources.columns.words import without_missing_words

_MAX_PRINTED = 20_000  # characters of a printed list; a longer one stays as it is
# one quoted member of a printed list; each character is looked at once
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_WHOLE_FLOAT = re.compile(r"(-?[0-9]{1,15})\.0+")


def read_prose(column: pa.ChunkedArray, *, name: str) -> tuple[pd.Series, tuple[str, ...]]:
    """Text, None where there is none; a list is its members, one after the other."""
    if pa.types.is_nested(column.type):
        values = [_joined(_flat(value), " ") for value in column.to_pylist()]
        return pd.Series(values, dtype=object), ()
    texts, words = without_missing_words(_text(column))
    told = (
        (f"{name}: {sum(words.values()):,} values say that there is none and count as missing",)
        if words
        else ()
    )
    return texts.to_pandas().astype(object), told


def read_members(
    column: pa.ChunkedArray, *, name: str, separator: str = "|", missing: tuple[str, ...] = ()
) -> tuple[pd.Series, tuple[str, ...]]:
    """Members joined by `|`. What was parted or replaced, and what looks as if it should be, is said."""
    remarks: list[str] = []
    if pa.types.is_nested(column.type):
        members = [_flat(value) for value in column.to_pylist()]
    else:
        texts, _ = without_missing_words(_text(column), missing)
        found = [None if text is None else _parted(text, separator) for text in texts.to_pylist()]
        members = [None if pair is None else pair[0] for pair in found]
        if printed := sum(pair is not None and pair[1] for pair in found):
            remarks.append(f"{name}: {printed:,} values are printed lists, and their members were taken")
        elif (told := _unparted(members, name)) is not None:
            remarks.append(told)
    replaced = sum(any("|" in member for member in value) for value in members if value)
    if replaced:
        remarks.append(f"{name}: a | within a member of {replaced:,} values became /")
        members = [None if v is None else [m.replace("|", "/") for m in v] for v in members]
    return pd.Series([_joined(value, "|") for value in members], dtype=object), tuple(remarks)


def read_years(column: pa.ChunkedArray) -> pd.Series:
    """Years as text; `1990.0` and the day `1990-05-01` are of 1990."""
    texts, _ = without_missing_words(_text(column))

    def year(text: str) -> str:
        if whole := _WHOLE_FLOAT.fullmatch(text):
            return whole[1]
        return text[:4] if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.{0,40}", text) else text

    return texts.to_pandas().astype(object).map(year, na_action="ignore")


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values as text; floats that are whole without their `.0`, bytes as UTF-8."""
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_floating(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        texts = [None if value is None or value != value else _scalar(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, type=pa.string())])
    return column.cast(pa.string())


def _scalar(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def _flat(value: Any) -> list[str] | None:
    """Members of a list, struct or map, as deep as it goes; a struct's are `name:value`, or its name alone."""
    if value is None:
        return None
    if isinstance(value, dict):
        if isinstance(value.get("name"), str):
            return [value["name"]]
        return [f"{key}:{member}" for key, inner in value.items() for member in _flat(inner) or []]
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        return [f"{value[0]}:{member}" for member in _flat(value[1]) or []]  # a pair of a map
    if isinstance(value, (list, tuple, set)):
        return [member for inner in value for member in _flat(inner) or []]
    text = _scalar(value).strip()
    return [text] if text else []


def _joined(members: Iterable[str] | None, by: str) -> str | None:
    kept = list(dict.fromkeys(members)) if by == "|" and members else list(members or [])
    return by.join(kept) or None


def _parted(text: str, separator: str) -> tuple[list[str], bool]:
    """Members of a text, and whether it was a printed list."""
    text = text.strip()
    if len(text) <= _MAX_PRINTED and text[:1] + text[-1:] in ("[]", "{}", "()"):
        printed = _printed(text)
        if printed is not None:
            return printed, True
    return [part for piece in text.split(separator) if (part := piece.strip())], False


def _printed(text: str) -> list[str] | None:
    """Members of `['a', 'b']`, `["a", "b"]`, `['a' 'b']` as numpy prints it, `[{'id': 1, 'name': 'a'}]`, `[a, b]`."""
    if "{" in text[1:] or (text.startswith("{") and ":" in text):
        for read in (json.loads, ast.literal_eval):
            try:
                return _flat(read(text))
            except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
                continue
        return None
    inner = text[1:-1].strip()
    if not re.sub(r"[\s,]", "", _QUOTED.sub("", inner)):
        return [part for pair in _QUOTED.findall(inner) if (part := (pair[0] or pair[1]).strip())]
    if text.startswith("[") and "'" not in inner and '"' not in inner:
        return [part for piece in inner.split(",") if (part := piece.strip())]
    return None


def _unparted(members: list[list[str] | None], name: str) -> str | None:
    """A remark where hardly a value has several members, and most hold what may part them."""
    told = [value for value in members if value]
    if not told or sum(len(value) > 1 for value in told) > len(told) / 20:
        return None
    for separator in (",", ";", "/", ">"):
        if sum(any(separator in member for member in value) for value in told) > len(told) / 4:
            return f"{name}: taken as one value each; if {separator!r} parts several, say so: separator in recloop.yaml"
    return None
