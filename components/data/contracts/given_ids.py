"""The event ids that a source gives: as a rule each stands once, so they stay Arrow's texts and are not coded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float

from components.data.contracts.storable import is_storable


def given_ids(raw: pd.Series) -> pa.ChunkedArray:
    """[row] string, null where there is none or only blanks; binary where one is half a character, which no file holds.

    An Arrow column costs nothing a row in Python, any other one a step.
    """
    if isinstance(raw.dtype, pd.StringDtype):
        texts = pa.chunked_array(raw.array.__arrow_array__()).cast(pa.large_string())
        return pc.if_else(
            pc.equal(pc.utf8_trim_whitespace(texts), ""), pa.scalar(None, pa.large_string()), texts
        )
    gone = raw.isna().to_numpy(dtype=bool)
    if gone.all():
        return pa.chunked_array([pa.nulls(len(raw), pa.large_string())])
    said = [
        None if lacks else str(text) for text, lacks in zip(raw.astype(object).tolist(), gone, strict=True)
    ]
    kept = [None if text is None or not text.strip() else text for text in said]
    try:
        return pa.chunked_array([pa.array(kept, type=pa.large_string())])
    except UnicodeEncodeError:
        held = [None if text is None else text.encode("utf-8", "surrogatepass") for text in kept]
        return pa.chunked_array([pa.array(held, type=pa.large_binary())])


def lengths_of(ids: pa.ChunkedArray) -> Float[np.ndarray, "row"]:
    """[row] float32: characters, NaN where there is no id."""
    if pa.types.is_large_string(ids.type):
        return _floats(pc.utf8_length(ids))
    texts = as_column(ids).tolist()
    return np.array([np.nan if text is None else len(text) for text in texts], dtype=np.float32)


def are_storable(ids: pa.ChunkedArray) -> Bool[np.ndarray, "row"]:
    """[row] whether a database can hold it as text; true where there is no id."""
    if pa.types.is_large_string(ids.type):
        return ~pc.fill_null(pc.match_substring(ids, "\x00"), False).to_numpy()
    return np.array([text is None or is_storable(text) for text in as_column(ids).tolist()], dtype=bool)


def as_column(ids: pa.ChunkedArray) -> pd.Series:
    """Arrow's text; objects where one is no text."""
    if pa.types.is_large_string(ids.type):
        return pd.Series(pd.StringDtype("pyarrow").__from_arrow__(ids))
    texts = [None if held is None else held.decode("utf-8", "surrogatepass") for held in ids.to_pylist()]
    return pd.Series(texts, dtype=object)


def _floats(numbers: pa.ChunkedArray) -> np.ndarray:
    return pc.cast(numbers, pa.float32()).to_numpy()
