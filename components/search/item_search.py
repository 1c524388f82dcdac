"""Items by a query in words: by the words that its text shares with it, and by what both mean.

Meaning is the cosine of vectors by the encoder that features are made by, words are BM25, both of all that an item says
of itself. Each is standardised over the items, and they are summed: of tags that people gave films
(`make bench ONLY=search`) both together find more than either. Words at half the weight were a little better there, and
of a dozen items lose a name that is asked for to what is vaguely near.
Shapes: query, item, place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from components.features.encoders.text import WordLlamaText, item_texts
from components.search.bm25 import BM25

_SPOKEN = re.compile(r"\w")


class NoQuery(ValueError):
    """Nothing that could be searched for."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Items of one query, best first."""

    items: Int[np.ndarray, "place"]  # rows of the frame that was searched
    scores: Float[np.ndarray, "place"]
    has_word: Bool[np.ndarray, "place"]  # whether the item's text has a word of the query


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemSearch:
    """An index over items. An item that says nothing of itself is never found."""

    has_text: Bool[np.ndarray, "item"]
    vectors: Float[np.ndarray, "item dim"]  # of length 1; zero where an item has no text to encode
    words: BM25
    encoder: WordLlamaText = field(default_factory=WordLlamaText)

    def find(self, query: str, k: int) -> Found:
        """The best `k` items; fewer where fewer have a text. Raises NoQuery for one without letter or digit."""
        if not _SPOKEN.search(query):
            raise NoQuery(
                f"the query {query!r} has no word: say what is looked for, in the language of the items"
            )
        score, has_word = (one[0] for one in self.scores([query]))
        order = np.argsort(-score, kind="stable")[: min(k, int(self.has_text.sum()))]
        return Found(items=order, scores=score[order], has_word=has_word[order])

    def scores(
        self, queries: Sequence[str]
    ) -> tuple[Float[np.ndarray, "query item"], Bool[np.ndarray, "query item"]]:
        """How well each item fits each query, -inf without a text, and whether it has a word of it."""
        meant = self.encoder.encode(queries).vectors @ self.vectors.T
        said = self.words.scores(queries)
        joined = self._standardised(meant) + self._standardised(said)
        return np.where(self.has_text, joined, -np.inf), said > 0

    def _standardised(self, scores: Float[np.ndarray, "query item"]) -> Float[np.ndarray, "query item"]:
        """Over the items with a text; a query that tells no two of them apart says nothing."""
        among = scores[:, self.has_text]
        if not among.size:
            return np.zeros_like(scores)
        spread = among.std(axis=1, keepdims=True)
        return (scores - among.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)


def search_over(items: pd.DataFrame) -> ItemSearch:
    """An index of title, categories, description and attributes; a second for 10,000 items, and a kilobyte each.

    `items` has these columns, with null where an item lacks one, in any order: rows are named by their place.
    """
    encoder = WordLlamaText()
    texts = [" ".join(parts).strip() for parts in zip(item_texts(items), item_words(items), strict=True)]
    has_text = np.array([bool(text) for text in texts], dtype=bool)
    vectors = np.zeros((len(items), encoder.dim), dtype=np.float32)
    vectors[has_text] = encoder.encode([text for text in texts if text]).vectors
    return ItemSearch(has_text=has_text, vectors=vectors, words=BM25(texts), encoder=encoder)


def item_words(items: pd.DataFrame) -> list[str]:
    """The attributes of each item as words: the bars between them are spaces; "" where it has none."""
    return [text.replace("|", " ") if isinstance(text, str) else "" for text in items["attributes"]]
