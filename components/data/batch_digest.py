"""The identity of a batch: SHA-256 over its rows as received, column by column.

Texts and numbers are hashed as they lie in memory, so the digest costs no step of Python a row, but for columns of
Python objects. It does not depend on how texts are coded or on how a file was parted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.data.batch import EVENT_COLUMNS, ITEM_COLUMNS, Batch
from components.data.spelled import pieces_of, utf8_of

_PIECE = 1_000_000  # rows hashed at once
_GONE = -1  # length of a text that is not there


def batch_digest(batch: Batch) -> str:
    """SHA-256 over the rows as received, in their order."""
    sha = hashlib.sha256(json.dumps([batch.source, list(batch.event_key)]).encode())
    for frame, columns in ((batch.events, EVENT_COLUMNS), (batch.items, ITEM_COLUMNS)):
        for name in (*columns, "source_row"):
            sha.update(json.dumps([name, len(frame)]).encode())
            sha.update(_column_digest(frame[name]))
    return sha.hexdigest()


def _column_digest(column: pd.Series) -> bytes:
    # what pandas made of a larger table that this was cut from is no difference
    column = column.infer_objects()
    if isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype):
        return _texts_digest(column)
    if column.dtype == object:
        return _objects_digest(column)
    kind = str(column.dtype)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        kind, column = f"{column.dtype.unit} UTC", column.astype("int64")
    sha = hashlib.sha256(kind.encode())
    sha.update(np.ascontiguousarray(column.to_numpy()).view(np.uint8).data)
    return sha.digest()


def _objects_digest(column: pd.Series) -> bytes:
    """Of values as Python writes them; texts alone are hashed as any other column of texts."""
    values = column.tolist()
    if all(value is None or type(value) is str for value in values):
        return _texts_digest(column)
    written = [repr(value) for value in values]
    said = "".join(f"{len(text)}:{text}" for text in written)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).digest()


def _texts_digest(column: pd.Series) -> bytes:
    lengths, texts = hashlib.sha256(), hashlib.sha256()
    for held in _as_bytes(column):
        said = pc.fill_null(pc.binary_length(held), _GONE).cast(pa.int64())
        lengths.update(said.to_numpy(zero_copy_only=False).data)
        texts.update(_run_together(held.drop_null()))
    return hashlib.sha256(lengths.digest() + texts.digest()).digest()


def _as_bytes(column: pd.Series) -> Iterator[pa.Array]:
    """[row] binary, in pieces: UTF-8, half a character as it lies in memory."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        words = utf8_of(list(map(str, column.cat.categories)))
        codes = column.cat.codes.to_numpy()
        pieces = pieces_of(len(codes), _PIECE)
        yield from (words.take(pa.array(codes[piece], mask=codes[piece] < 0)) for piece in pieces)
    elif column.dtype == object:
        yield utf8_of(column.tolist())
    else:
        yield from pa.chunked_array(column.array.__arrow_array__()).cast(pa.large_binary()).chunks


def _run_together(held: pa.Array) -> memoryview:
    """All texts of a piece, one after the other."""
    _, offsets, data = held.buffers()
    if not len(held) or data is None:
        return memoryview(b"")
    ends = np.frombuffer(offsets, dtype=np.int64)
    return memoryview(data)[ends[held.offset] : ends[held.offset + len(held)]]
