"""Ids as text, none changed into another: whole numbers lose their `.0`, and what has lost digits is refused."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.data.batch import DataContractError
from components.data.coded import Coded, of_arrow, renamed
from components.data.near_ids import look_alikes
from components.data.sources.columns.words import (
    Texts,
    doubtful_words,
    num_chosen,
    shown,
    stripped,
    without_missing_words,
)

_COMPARED = 1_000_000  # event ids in one column beyond which nobody looks for those that look alike
_EXACT_TO = {"halffloat": 2**11, "float": 2**24, "double": 2**53}  # whole numbers from here on share a float


@dataclass(frozen=True, kw_only=True)
class IdColumn:
    coded: Coded
    remarks: tuple[str, ...]  # what was changed, with counts; what looks odd

    @property
    def ids(self) -> pd.Series:
        """[row] object: str, None where there is none."""
        return pd.Series(self.coded.objects(), dtype=object)


def read_ids(column: pa.ChunkedArray, *, name: str, path: Path, missing: tuple[str, ...] = ()) -> IdColumn:
    """The ids of a column of any type; `missing` are further words for none.

    Costs its distinct ids, and a code a row. Raises DataContractError for a column whose ids are not what they were.
    """
    texts, remarks = _texts_of(column, name, where := f"{path}: column {name!r}")
    held = of_arrow(texts)
    clean, more = _clean(pa.array(held.texts, type=pa.string()), held.counts, name, missing, where)
    return IdColumn(coded=renamed(held, clean.to_pylist()), remarks=(*remarks, *more))


def read_event_ids(
    column: pa.ChunkedArray, *, name: str, path: Path, missing: tuple[str, ...] = ()
) -> tuple[pd.Series, tuple[str, ...]]:
    """`read_ids` of ids that stand once each, as Arrow's text, with the remarks."""
    texts, remarks = _texts_of(column, name, where := f"{path}: column {name!r}")
    clean, more = _clean(texts.cast(pa.string()), None, name, missing, where)
    return pd.Series(pd.StringDtype("pyarrow").__from_arrow__(clean)), (*remarks, *more)


def _texts_of(column: pa.ChunkedArray, name: str, where: str) -> tuple[pa.ChunkedArray, list[str]]:
    """Strings, or a dictionary of strings."""
    kind = column.type
    if pa.types.is_floating(kind):
        return _of_floats(column, where, name)
    if pa.types.is_decimal(kind):
        return _of_decimals(column), []
    if pa.types.is_integer(kind):
        return _of_integers(column), []
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _of_bytes(column, where, name)
    if not (pa.types.is_null(kind) or _is_text(kind)):
        raise DataContractError(
            f"{where} is of type {kind}, which holds no ids. Export ids as text or integers."
        )
    return column.cast(pa.string()), []


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _clean(
    said: Texts, counts: np.ndarray | None, name: str, missing: tuple[str, ...], where: str
) -> tuple[Texts, list[str]]:
    """What is left of each text; `counts` says how many rows it stands in, where texts are distinct ones."""
    _refuse_scientific(said, counts, where)
    remarks = []
    texts, num_stripped = stripped(said, counts)
    if num_stripped:
        remarks.append(f"{name}: blanks around {num_stripped:,} ids were removed")
    texts, words = without_missing_words(texts, missing, counts)
    if words:
        remarks.append(
            f"{name}: {sum(words.values()):,} ids say that there is none ({shown(words)}) and count as missing"
        )
    if doubtful := doubtful_words(texts, counts):
        remarks.append(f"{name}: taken as ids, though they may mean that there is none: {shown(doubtful)}")
    if counts is not None or len(texts) <= _COMPARED:
        remarks += _told_of_look_alikes(texts, name)
    return texts, remarks


def _told_of_look_alikes(texts: Texts, name: str) -> list[str]:
    distinct = [text for text in pc.unique(texts).to_pylist() if text is not None]
    alike = look_alikes(distinct)
    if not alike:
        return []
    first = " and ".join(map(repr, alike[0][:3]))
    return [
        f"{name}: {sum(map(len, alike)):,} of {len(distinct):,} ids differ only in leading zeros, case, "
        "accents or a "
        f"trailing .0 and are kept apart, such as {first}. If they are one, export the column as text everywhere"
    ]


def _refuse_scientific(texts: Texts, counts: np.ndarray | None, where: str) -> None:
    """`7.65612E+16`: a spreadsheet has rounded a long id."""
    is_rounded = pc.match_substring_regex(texts, r"^[0-9](\.[0-9]+)?[eE]\+[0-9]{1,3}$")
    rounded = texts.filter(is_rounded)
    if len(rounded):
        raise DataContractError(
            f"{where} holds {num_chosen(is_rounded, counts):,} numbers in scientific notation, such as "
            f"{rounded[0].as_py()}, in which several ids become one. Export the column as text."
        )


def _of_integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each distinct number is written once."""
    held = column.dictionary_encode().unify_dictionaries()
    parts = [pa.DictionaryArray.from_arrays(c.indices, c.dictionary.cast(pa.string())) for c in held.chunks]
    return pa.chunked_array(parts, type=pa.dictionary(pa.int32(), pa.string()))


def _of_floats(column: pa.ChunkedArray, where: str, name: str) -> tuple[pa.ChunkedArray, list[str]]:
    numbers = column.to_numpy().astype(np.float64)
    finite = np.isfinite(numbers)
    limit = _EXACT_TO[str(column.type)]
    if (np.abs(numbers[finite]) >= limit).any():
        at = int(np.flatnonzero(finite & (np.abs(np.where(finite, numbers, 0)) >= limit))[0])
        raise DataContractError(
            f"{where} holds ids as {column.type} numbers, and from {limit:,} on several ids become one "
            f"(first: row {at}, "
            f"{numbers[at]:.0f}). Export the column as text or as integers (in pandas: Int64)."
        )
    if (fractions := finite & (np.where(finite, numbers, 0) % 1 != 0)).any():
        at = int(np.flatnonzero(fractions)[0])
        raise DataContractError(
            f"{where} holds numbers with fractions (first: row {at}, {numbers[at]}), and these are no ids. "
            "Check that it "
            "is the right column, and export it as text."
        )
    remarks = []
    if infinite := int(np.isinf(numbers).sum()):
        remarks.append(f"{name}: {infinite:,} ids are infinite and count as missing")
    whole = pa.array(np.where(finite, numbers, 0).astype(np.int64), mask=~finite)
    return pa.chunked_array([whole.cast(pa.string())]), remarks


def _of_decimals(column: pa.ChunkedArray) -> pa.ChunkedArray:
    texts = [None if v is None else f"{v:f}".rstrip("0").rstrip(".") if v % 1 == 0 and "." in f"{v:f}" else f"{v:f}"
             for v in column.to_pylist()]  # fmt: skip
    return pa.chunked_array([pa.array(texts, type=pa.string())])


def _of_bytes(column: pa.ChunkedArray, where: str, name: str) -> tuple[pa.ChunkedArray, list[str]]:
    """Text, where all bytes are; otherwise UUIDs, where all are 16 long."""
    distinct = {value for value in pc.unique(column).to_pylist() if value is not None}
    if texts := _as_text(distinct):
        told = []
    elif distinct and all(len(value) == 16 for value in distinct):
        texts = {value: str(uuid.UUID(bytes=value)) for value in distinct}
        told = [f"{name}: ids of 16 bytes are written as UUIDs, such as {texts[min(distinct)]}"]
    elif distinct:
        raise DataContractError(
            f"{where} holds bytes that are neither text nor UUIDs (first: {min(distinct)[:16]!r}). Export the "
            "ids as text."
        )
    else:
        told = []
    values = [None if value is None else texts[value] for value in column.to_pylist()]
    return pa.chunked_array([pa.array(values, type=pa.string())]), told


def _as_text(values: set[bytes]) -> dict[bytes, str]:
    """Bytes → text, empty if some are no printable text."""
    texts = {}
    for value in values:
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            return {}
        if not text.isprintable():
            return {}
        texts[value] = text
    return texts
