"""A column of texts as codes into its distinct texts: four bytes a row, and Python looks at each distinct text once.

Frames hold such a column as a categorical. Python's dictionaries tell texts apart, since pandas' own tables for text
end at a NUL, and take "a" and "a\\0" for one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Int


@dataclass(frozen=True, kw_only=True)
class Coded:
    """Row r says `texts[codes[r]]`; -1 says nothing."""

    codes: Int[np.ndarray, "row"]
    texts: np.ndarray  # [text] object: str, each once; some may stand in no row

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def absent(self) -> np.ndarray:
        """[row] bool: no text."""
        return self.codes < 0

    @property
    def counts(self) -> Int[np.ndarray, "text"]:
        """How many rows say each text."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))

    def each(self, fact: Callable[[str], Any], *, absent: Any, dtype: Any) -> np.ndarray:
        """[row] what `fact` says of the row's text; asked once a distinct text."""
        told = np.empty(len(self.texts) + 1, dtype=dtype)
        told[:-1] = [fact(text) for text in self.texts]
        told[-1] = absent
        return told[self.codes]  # -1 is the last

    def column(self, index: pd.Index | None = None) -> pd.Series:
        """As a categorical."""
        categories = pd.Index(self.texts, dtype=object)
        made = pd.Categorical.from_codes(self.codes, categories=categories, validate=False)
        return pd.Series(made, index=index)

    def objects(self) -> np.ndarray:
        """[row] object: str, or None where there is none."""
        return self.each(lambda text: text, absent=None, dtype=object)


def coded(column: pd.Series) -> Coded:
    """Any column as text: what is missing says nothing, and what is no text is written as Python does.

    A categorical costs its distinct values; any other column a step of Python a row.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        kept = column.array
        return _merged(kept.codes, list(map(str, kept.categories)))
    gone = column.isna().to_numpy(dtype=bool)
    places: dict[str, int] = {}
    codes = np.full(len(column), -1, dtype=np.int32)
    texts = column.astype(object).tolist()
    if not gone.all():
        codes[:] = [
            -1 if lacks else places.setdefault(str(text), len(places))
            for text, lacks in zip(texts, gone, strict=True)
        ]
    return Coded(codes=codes, texts=_objects(places))


def renamed(column: Coded, texts: Sequence[str | None]) -> Coded:
    """The same rows with another text for each distinct one: those that become alike are one, None is none."""
    places: dict[str, int] = {}
    to = np.empty(len(texts) + 1, dtype=np.int32)
    to[:-1] = [-1 if text is None else places.setdefault(text, len(places)) for text in texts]
    to[-1] = -1
    return Coded(codes=to[column.codes], texts=_objects(places))


def of_arrow(texts: pa.ChunkedArray) -> Coded:
    """A column of Arrow's strings, or of its dictionaries of strings."""
    kept = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
    if not kept.num_chunks:
        return Coded(codes=np.empty(0, dtype=np.int32), texts=_objects(()))
    one = kept.unify_dictionaries().combine_chunks()
    one = one.chunk(0) if isinstance(one, pa.ChunkedArray) else one
    codes = one.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return _merged(codes.astype(np.int32, copy=False), one.dictionary.to_pylist())


def _merged(codes: np.ndarray, texts: Sequence[str | None]) -> Coded:
    found = Coded(codes=codes, texts=_objects(texts))
    return found if len(set(texts)) == len(texts) and None not in texts else renamed(found, texts)


def _objects(texts: Any) -> np.ndarray:
    made = np.empty(len(texts), dtype=object)
    made[:] = list(texts)
    return made
