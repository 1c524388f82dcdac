"""Rows spelled out as bytes and hashed, in Arrow's columns: of Python, one call in C a row is left.

Every part is spelled with its length first, so that no two rows are spelled alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import UInt8

from components.data.coded import Coded

SHA256_BYTES = 32


def spelled_texts(column: Coded) -> pa.Array:
    """Each distinct text of a column, with its length in characters; half a character is spelled too."""
    try:
        texts = pa.array(column.texts, type=pa.string())
    except UnicodeEncodeError:
        spelled = [f"{len(text)}:{text}".encode("utf-8", "surrogatepass") for text in column.texts]
        return pa.array(spelled, type=pa.binary())
    return joined([pc.cast(pc.utf8_length(texts), pa.string()), ":", texts])


def utf8_of(texts: Sequence[str | None] | np.ndarray) -> pa.Array:
    """[row] large_binary, null for None: UTF-8, half a character as Python's `surrogatepass` writes it."""
    try:
        return pa.array(texts, type=pa.large_string()).cast(pa.large_binary())
    except UnicodeEncodeError:
        held = [None if text is None else text.encode("utf-8", "surrogatepass") for text in texts]
        return pa.array(held, type=pa.large_binary())


def spelled_numbers(numbers: np.ndarray) -> pa.Array:
    """Whole numbers in digits, with their length."""
    digits = pc.cast(pa.array(numbers), pa.string())
    return joined([pc.cast(pc.utf8_length(digits), pa.string()), ":", digits])


def spelled_floats(values: np.ndarray, *, absent: str) -> pa.Array:
    """float64 as Python writes them, without their length; NaN as `absent`. Each distinct one is written once."""
    bits, place = np.unique(values.view(np.int64), return_inverse=True)  # by their bits: -0.0 is not 0.0
    texts = [absent if value != value else repr(value) for value in bits.view(np.float64).tolist()]
    return pa.array(texts, type=pa.string()).take(pa.array(place))


def joined(parts: Sequence[pa.Array | str]) -> pa.Array:
    """[row] large_binary: the parts one after the other; a text stands in every row."""
    wide = pa.large_binary()
    columns = [pa.scalar(part.encode(), wide) if isinstance(part, str) else part.cast(wide) for part in parts]
    return pc.binary_join_element_wise(*columns, pa.scalar(b"", wide))


def sha256_rows(rows: pa.Array) -> UInt8[np.ndarray, "row byte"]:
    """SHA-256 of each row of a large_binary column without nulls."""
    _, offsets, data = rows.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[rows.offset : rows.offset + len(rows) + 1].tolist()
    held, sha = memoryview(data) if data is not None else memoryview(b""), hashlib.sha256
    found = b"".join([sha(held[a:b]).digest() for a, b in pairwise(ends)])
    return np.frombuffer(found, dtype=np.uint8).reshape(-1, SHA256_BYTES)


def in_hex(digests: UInt8[np.ndarray, "row byte"]) -> pa.Array:
    """[row] string: each digest in lower hexadecimal digits."""
    width = 2 * digests.shape[1]
    text = pa.py_buffer(digests.tobytes().hex().encode())
    ends = pa.py_buffer(np.arange(0, (len(digests) + 1) * width, width, dtype=np.int32).tobytes())
    return pa.StringArray.from_buffers(len(digests), ends, text)


def pieces_of(num_rows: int, size: int) -> Iterable[slice]:
    """Slices of so many rows that cover them all."""
    return (slice(at, min(at + size, num_rows)) for at in range(0, num_rows, size))
