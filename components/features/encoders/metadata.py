"""Metadata encoder: categories, attributes and the year of release as tokens, then a projection.

Tokens are counted on the items it was fitted on; later items are described in those words alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from components.artifact import digest_of
from components.features.encoders.content import Content, Encoded, OnStep
from components.features.encoders.projection import Projection, fit_projection

_YEAR = re.compile(r"\((\d{4})\)\s*$")
Tokens = tuple[tuple[str, float], ...]


def item_tokens(title: Any, categories: Any, attributes: Any) -> Tokens:
    """(token, weight) of one item. A year in the title's last brackets is shared out to two decades.

    "(1995)" gives decade 1990 and decade 2000 half each, so that near years are near across a decade's end.
    """
    tokens = {f"category:{name}": 1.0 for name in _parts(categories)}
    tokens |= {f"attribute:{name}": 1.0 for name in _parts(attributes)}
    if isinstance(title, str) and (found := _YEAR.search(title)):
        year = int(found[1])
        decade, share = year // 10 * 10, year % 10 / 10
        tokens[f"decade:{decade}"] = 1 - share
        if share:
            tokens[f"decade:{decade + 10}"] = share
    return tuple(sorted(tokens.items()))


@dataclass(frozen=True, kw_only=True)
class MetadataEncoder:
    """Known tokens and their projection."""

    vocabulary: tuple[str, ...]  # ascending
    projection: Projection

    @property
    def id(self) -> str:
        return f"metadata/{self.dim}@{digest_of(list(self.vocabulary))[:12]}{self.projection.digest()}"

    @property
    def dim(self) -> int:
        return self.projection.dim

    @property
    def kept_as(self) -> str | None:
        return None

    def read(self, items: pd.DataFrame, root: Path | None) -> Content:
        return read_tokens(items)

    def encode(self, values: Sequence[Tokens], on_step: OnStep | None = None) -> Encoded:
        return Encoded(vectors=self.projection.apply(_counts(values, self.vocabulary)))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays = {"idf": self.projection.idf}
        if self.projection.components is not None:
            arrays["components"] = self.projection.components
        return {"kind": "metadata", "vocabulary": json.dumps(self.vocabulary)}, arrays


def fit_metadata(items: pd.DataFrame, *, dim: int, min_count: int, seed: int) -> MetadataEncoder | None:
    """Keep the tokens that `min_count` items hold; None if there is none."""
    rows = [tokens for tokens in read_tokens(items).values if tokens]
    held = Counter(token for tokens in rows for token, _ in tokens)
    vocabulary = tuple(sorted(token for token, count in held.items() if count >= min_count))
    if not vocabulary:
        return None
    projection = fit_projection(_counts(rows, vocabulary), dim=dim, seed=seed)
    return MetadataEncoder(vocabulary=vocabulary, projection=projection)


def metadata_from_state(words: dict[str, Any], arrays: dict[str, np.ndarray]) -> MetadataEncoder:
    return MetadataEncoder(
        vocabulary=tuple(json.loads(words["vocabulary"])),
        projection=Projection(idf=arrays["idf"], components=arrays.get("components")),
    )


def read_tokens(items: pd.DataFrame) -> Content:
    """The tokens of every item; an item without any has no metadata."""
    columns = (items["title"], items["categories"], items["attributes"])
    values = [item_tokens(*row) or None for row in zip(*columns, strict=True)]
    keys = [hashlib.sha256(json.dumps(v).encode()).hexdigest() if v else None for v in values]
    return Content(values=values, keys=keys)


def _counts(rows: Sequence[Tokens], vocabulary: tuple[str, ...]) -> sp.csr_matrix:
    """[item, token] weights; tokens that are not known are left out."""
    column = {token: i for i, token in enumerate(vocabulary)}
    entries = [(r, column[t], w) for r, tokens in enumerate(rows) for t, w in tokens if t in column]
    row, col, weight = zip(*entries, strict=True) if entries else ((), (), ())
    return sp.csr_matrix(
        (np.array(weight, dtype=np.float32), (np.array(row, dtype=int), np.array(col, dtype=int))),
        shape=(len(rows), len(vocabulary)),
    )


def _parts(joined: Any) -> list[str]:
    """The distinct parts of a list joined by bars; null is none."""
    return sorted({part.strip() for part in joined.split("|")} - {""}) if isinstance(joined, str) else []
