"""Ids for events of sources that have none: made of the source's key and an occurrence number.

Two events may share a key (the same user, item and second) and both be real, so equal keys are numbered in
the order of their payloads, and the same rows in any order get the same ids. Numbering starts anew in each
batch: as long as the key holds the timestamp, any slicing by time keeps equal keys together and gives the
same ids. Genuine repeats of one key that arrive in different batches are taken for one event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int

from components.data.coded import Coded
from components.data.same_rows import occurrences
from components.data.spelled import (
    in_hex,
    joined,
    pieces_of,
    sha256_rows,
    spelled_floats,
    spelled_numbers,
    spelled_texts,
)

NO_MOMENT = np.iinfo(np.int64).min  # as numpy writes NaT
_PIECE = 250_000  # rows spelled at once: some 40 MB


@dataclass(frozen=True, kw_only=True)
class TypedColumns:
    """What an event's id may be made of, a row an event."""

    user_id: Coded
    item_id: Coded
    event_type: Coded
    timestamp: Int[np.ndarray, "row"]  # microseconds since 1970, UTC; NO_MOMENT where there is none
    value: Float[np.ndarray, "row"]  # NaN where there is none
    is_sound: Bool[np.ndarray, "row"]  # the value is a number

    def numbers(self, name: str) -> Int[np.ndarray, "row"]:
        """A column as numbers that are equal where its values are."""
        column = getattr(self, name)
        if isinstance(column, Coded):
            return column.codes
        return column.view(np.int64)

    def absent(self, name: str) -> Bool[np.ndarray, "row"]:
        """[row] whether the column says nothing."""
        column = getattr(self, name)
        if isinstance(column, Coded):
            return column.absent
        return np.isnan(column) if name == "value" else column == NO_MOMENT


def event_id(source: str, key: Sequence[str | int], occurrence: int) -> str:
    """SHA-256 of the spelled parts; moments are spelled as microseconds since 1970, UTC."""
    # lengths first, so that no two keys are spelled alike
    spelled = "".join(f"{len(part)}:{part}" for part in (source, *map(str, key), str(occurrence)))
    return hashlib.sha256(spelled.encode("utf-8", "surrogatepass")).hexdigest()


def fill_event_ids(
    given: pa.ChunkedArray, columns: TypedColumns, *, source: str, event_key: tuple[str, ...]
) -> pa.ChunkedArray:
    """The given ids; made ones where none is given and the key is whole; null where it is not.

    `given` is binary or text. Costs one sort of a number a row, and one SHA-256 a made id.
    """
    lacks = given.is_null().to_numpy()
    for name in event_key:
        lacks &= ~columns.absent(name)
    rows = np.flatnonzero(lacks)
    if not event_key or not len(rows):
        return given
    number = np.zeros(len(lacks), dtype=np.int32)
    number[rows] = _numbered(columns, event_key, rows)
    words = {
        name: spelled_texts(column)
        for name in event_key
        if isinstance(column := getattr(columns, name), Coded)
    }
    return pa.chunked_array(
        [
            _filled(
                given[piece.start : piece.stop],
                columns,
                words,
                source,
                event_key,
                number,
                piece,
                lacks[piece],
            )
            for piece in pieces_of(len(lacks), _PIECE)
        ],
        type=given.type,
    )


def _numbered(columns: TypedColumns, event_key: tuple[str, ...], rows: np.ndarray) -> np.ndarray:
    """Occurrence of each row; sound values first, so that an unsound one never takes the number of a sound one."""
    names = [*columns.event_type.texts, str(None)]
    rank = {name: place for place, name in enumerate(sorted(set(names)))}
    kinds = columns.event_type.each(rank.__getitem__, absent=rank[str(None)], dtype=np.int32)
    values = np.nan_to_num(columns.value)
    # -0.0 and 0.0 are one
    alike = {"value": (columns.value + 0.0).view(np.int64)} if "value" in event_key else {}
    key = [alike[name] if name in alike else columns.numbers(name) for name in event_key]
    return occurrences([column[rows] for column in key], [kinds[rows], values[rows], ~columns.is_sound[rows]])


def _filled(
    given: pa.ChunkedArray,
    columns: TypedColumns,
    words: Mapping[str, pa.Array],
    source: str,
    event_key: tuple[str, ...],
    number: np.ndarray,
    piece: slice,
    lacks: np.ndarray,
) -> pa.Array:
    if not lacks.any():
        return given.combine_chunks()
    parts: list[pa.Array | str] = [f"{len(source)}:{source}"]
    for name in event_key:
        here = columns.numbers(name)[piece][lacks]
        parts.append(words[name].take(pa.array(here)) if name in words else _spelled(name, here))
    made = in_hex(sha256_rows(joined([*parts, spelled_numbers(number[piece][lacks])]))).cast(given.type)
    if lacks.all():
        return made
    return pc.replace_with_mask(given.combine_chunks(), pa.array(lacks), made)


def _spelled(name: str, numbers: np.ndarray) -> pa.Array:
    if name != "value":
        return spelled_numbers(numbers)
    written = spelled_floats(numbers.view(np.float64), absent="")
    return joined([pc.cast(pc.utf8_length(written), pa.string()), ":", written])
