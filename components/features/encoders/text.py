"""Text encoders: what an item is called, its categories and its description, in one vector.

`WordLlamaText` looks up word-piece vectors distilled from large language models and averages them
(wordllama 0.4, weights inside the wheel). `TfidfText` knows nothing but the items it was fitted on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.artifact import digest_of
from components.features.encoders.content import Content, Encoded, OnStep, text_content
from components.features.encoders.projection import Projection, fit_projection
from components.features.vectors import unit_rows

MAX_CHARACTERS = 4000  # about 1,000 word pieces; one text of a megabyte would pad its whole batch to it
TEXT_COLUMNS = ("title", "categories", "description")
_BATCH = 256


def item_texts(items: pd.DataFrame) -> list[str]:
    """Title, categories and description of each item as one text; "" where it has none of them."""
    columns = [items[name].tolist() for name in TEXT_COLUMNS]
    return [". ".join(_clean(part) for part in parts if _clean(part)) for parts in zip(*columns, strict=True)]


@dataclass(frozen=True, kw_only=True)
class WordLlamaText:
    """256 dimensions, about 0.1 ms an item."""

    @property
    def id(self) -> str:
        return f"wordllama-{version('wordllama')}/256"

    @property
    def dim(self) -> int:
        return 256

    @property
    def kept_as(self) -> str | None:
        return None

    def read(self, items: pd.DataFrame, root: Path | None) -> Content:
        return text_content(item_texts(items))

    def encode(self, values: Sequence[str], on_step: OnStep | None = None) -> Encoded:
        model = _wordllama()
        out = np.zeros((len(values), self.dim), dtype=np.float32)
        for start in range(0, len(values), _BATCH):
            batch = list(values[start : start + _BATCH])
            out[start : start + len(batch)] = model.embed(batch)
            if on_step:
                on_step(start + len(batch), len(values), {})
        return Encoded(vectors=unit_rows(out))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"kind": "wordllama"}, {}


@dataclass(frozen=True, kw_only=True)
class TfidfText:
    """Words weighted by rarity, reduced by SVD; fitted on the items of one snapshot."""

    vocabulary: tuple[str, ...]  # ascending
    projection: Projection

    @property
    def id(self) -> str:
        fitted = digest_of(list(self.vocabulary))[:12]
        return f"tfidf-svd/{self.dim}@{fitted}{self.projection.digest()}"

    @property
    def dim(self) -> int:
        return self.projection.dim

    @property
    def kept_as(self) -> str | None:
        return None

    def read(self, items: pd.DataFrame, root: Path | None) -> Content:
        return text_content(item_texts(items))

    def encode(self, values: Sequence[str], on_step: OnStep | None = None) -> Encoded:
        counts = _vectorizer(vocabulary=list(self.vocabulary)).transform(values)
        return Encoded(vectors=self.projection.apply(counts))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays = {"idf": self.projection.idf}
        if self.projection.components is not None:
            arrays["components"] = self.projection.components
        return {"kind": "tfidf", "vocabulary": json.dumps(self.vocabulary)}, arrays


def fit_tfidf(items: pd.DataFrame, *, dim: int, max_words: int, seed: int) -> TfidfText | None:
    """Fit on these items only; None if they hold no word that two of them share."""
    texts = [text for text in item_texts(items) if text]
    if len(texts) < 2:
        return None
    vectorizer = _vectorizer(min_df=2, max_features=max_words, stop_words="english")
    try:
        vectorizer.fit(texts)
    except ValueError:  # scikit-learn's word for an empty vocabulary
        return None
    vocabulary = tuple(sorted(vectorizer.vocabulary_))
    counts = _vectorizer(vocabulary=list(vocabulary)).transform(texts)
    return TfidfText(vocabulary=vocabulary, projection=fit_projection(counts, dim=dim, seed=seed))


def tfidf_from_state(words: dict[str, Any], arrays: dict[str, np.ndarray]) -> TfidfText:
    return TfidfText(
        vocabulary=tuple(json.loads(words["vocabulary"])),
        projection=Projection(idf=arrays["idf"], components=arrays.get("components")),
    )


def _clean(part: Any) -> str:
    """A cell as text: null is "", the joining bars of lists are spaces, lone surrogates are dropped."""
    if not isinstance(part, str):
        return ""
    return part[:MAX_CHARACTERS].replace("|", " ").encode("utf-8", "ignore").decode().strip()


def _vectorizer(**told: Any) -> Any:
    """scikit-learn's CountVectorizer: a second to import, and most commands read no text."""
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(**told)


@lru_cache(maxsize=1)
def _wordllama() -> Any:
    """The model, from the weights inside its wheel; nothing is downloaded."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    import wordllama  # sets up the root logger when imported: put back what was there

    root.handlers[:], root.level = handlers, level
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
