"""A column of lists of numbers → one float32 matrix: lists as parquet and JSON have them, or printed as text.

Memory: beside the column as it was read, the matrix alone (4 bytes × rows × width) and 65,536 rows on their way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float

from components.data.batch import DataContractError
from components.data.sources.columns.words import without_missing_words

_ROWS_AT_ONCE = 65_536
_BRACKETS, _BETWEEN = "[](){} \t\r\n", r"[\s,;|]+"
_LEFT = "or leave the vectors out with --map vectors=none"


@dataclass(frozen=True, kw_only=True)
class VectorColumn:
    vectors: Float[np.ndarray, "held dim"]  # float32, finite; of the rows that hold one
    holds: Bool[np.ndarray, "row"]


def read_vectors(column: pa.ChunkedArray, *, name: str, path: Path, item_ids: np.ndarray) -> VectorColumn:
    """The vectors of a column; a null, an empty list and an empty text are none. Rows count from 0.

    Raises DataContractError naming the first row whose value is no list of numbers, holds one that is not finite, or is
    of another width than the first one's.
    """
    said = _Saying(path=path, name=name, item_ids=item_ids)
    matrix: np.ndarray | None = None
    holds = np.zeros(len(column), dtype=bool)
    row = filled = 0
    for chunk in column.chunks:
        for start in range(0, len(chunk), _ROWS_AT_ONCE):
            part = chunk.slice(start, _ROWS_AT_ONCE)
            lists = _lists(part, said, row)
            lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
            holds[row : row + len(part)] = lengths > 0
            if matrix is None and lengths.any():
                matrix = np.empty((len(column), int(lengths[lengths > 0][0])), dtype=np.float32)
            if matrix is not None:
                said.refuse_other_widths(lengths, matrix.shape[1], row)
                numbers = _numbers(lists, lengths, said, row)
                matrix[filled : filled + len(numbers)] = numbers
                filled += len(numbers)
            row += len(part)
    vectors = np.empty((0, 0), dtype=np.float32) if matrix is None else matrix[:filled]
    return VectorColumn(vectors=vectors, holds=holds)


@dataclass(frozen=True, kw_only=True)
class _Saying:
    """What is amiss, with the file, the row, its item, and the fix."""

    path: Path
    name: str
    item_ids: np.ndarray

    def where(self, row: int) -> str:
        return f"{self.path}: column {self.name!r}, row {row:,} (item {self.item_ids[row]!r})"

    def refuse_other_widths(self, lengths: np.ndarray, dim: int, first_row: int) -> None:
        other = np.flatnonzero((lengths > 0) & (lengths != dim))
        if len(other):
            raise DataContractError(
                f"{self.where(first_row + int(other[0]))}: a vector of {lengths[other[0]]:,} numbers, the rows before "
                f"have {dim:,}. Export the vectors of one model, all of one width, {_LEFT}."
            )

    def refuse(self, row: int, value: object, why: str) -> NoReturn:
        shown = str(value)
        shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
        raise DataContractError(
            f"{self.where(row)}: {why} ({shown}). Write a list of numbers, such as [0.12, -0.5], nothing for an item "
            f"without a vector, {_LEFT}."
        )


def _lists(part: pa.Array, said: _Saying, first_row: int) -> pa.Array:
    """The same rows as lists, whose members are numbers, or texts that may be some."""
    kind = part.type
    if isinstance(kind, pa.BaseExtensionType):
        return _lists(part.storage, said, first_row)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if pa.types.is_nested(kind.value_type):
            said.refuse(first_row, kind, "lists within a list are no vector")
        # a fixed-size null still takes room among the values
        return part.cast(pa.large_list(kind.value_type)) if not pa.types.is_large_list(kind) else part
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _printed(part, said, first_row)
    if pa.types.is_null(kind):
        return pa.nulls(len(part), pa.list_(pa.float32()))
    return said.refuse(first_row, part[0].as_py(), f"{kind} is no list of numbers")


def _printed(texts: pa.Array, said: _Saying, first_row: int) -> pa.Array:
    """`[0.1, 0.2]`, as Python, numpy and databases print lists; what is within may be no number yet."""
    shortened = pc.fill_null(pc.match_substring(texts, "..."), False).to_numpy(zero_copy_only=False)
    if shortened.any():
        row = int(np.flatnonzero(shortened)[0])
        said.refuse(first_row + row, texts[row].as_py(), "it was printed shortened, and numbers are lost")
    bare = pc.utf8_trim(texts, _BRACKETS)
    (bare,) = without_missing_words(pa.chunked_array([bare]))[0].chunks or [bare]
    return pc.split_pattern_regex(bare, _BETWEEN)


def _numbers(lists: pa.Array, lengths: np.ndarray, said: _Saying, first_row: int) -> np.ndarray:
    """[held, dim] float32 of lists of one width."""
    members = pc.list_flatten(lists)
    dim = int(lengths.max(initial=0)) or 1
    rows = first_row + np.flatnonzero(lengths > 0)
    if members.null_count:
        at = int(np.flatnonzero(members.is_null().to_numpy(zero_copy_only=False))[0])
        said.refuse(int(rows[at // dim]), "null", f"number {at % dim + 1:,} of the vector is missing")
    try:
        numbers = members.cast(
            pa.float64() if pa.types.is_decimal(members.type) else pa.float32(), safe=False
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        at = next(n for n, member in enumerate(members.to_pylist()) if not _is_number(member))
        said.refuse(int(rows[at // dim]), repr(members[at].as_py()), "no list of numbers")
    values = numbers.to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, dim)
    if not np.isfinite(values).all():
        row, at = (int(n) for n in np.argwhere(~np.isfinite(values))[0])
        said.refuse(int(rows[row]), members[row * dim + at].as_py(), f"number {at + 1:,} is not finite")
    return values


def _is_number(text: object) -> bool:
    try:
        float(str(text))
    except ValueError:
        return False
    return True
