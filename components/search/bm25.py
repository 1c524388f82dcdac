"""Which texts share words with a query, rare words counting more: BM25.

Source: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", section 3, with Lucene's idf, which is
never negative. Shapes: query, text, word.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer

_K1 = 1.2  # how soon a word that stands more often in a text counts no more
_B = 0.75  # how much longer texts must say a word more often


class BM25:
    """An index of texts, as large as the number of their distinct words, text by text. It changes no more."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._words = CountVectorizer(token_pattern=r"(?u)\b\w+\b", strip_accents="unicode")  # noqa: S106
        self._num_texts = len(texts)
        if not any(self._words.build_analyzer()(text) for text in texts):
            self._weights: csr_matrix | None = None
            return
        counts = self._words.fit_transform(texts).astype(np.float32).tocsr()
        with_word = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.log1p((len(texts) - with_word + 0.5) / (with_word + 0.5)).astype(np.float32)
        length = np.asarray(counts.sum(axis=1)).ravel()
        damped = (_K1 * (1 - _B + _B * length / length.mean())).repeat(np.diff(counts.indptr))
        counts.data = counts.data * (_K1 + 1) / (counts.data + damped) * idf[counts.indices]
        self._weights = counts.T.tocsr()  # by word: a query has few of them

    def scores(self, queries: Sequence[str]) -> Float[np.ndarray, "query text"]:
        """How well each text fits; 0 where it has no word of the query."""
        if self._weights is None:
            return np.zeros((len(queries), self._num_texts), dtype=np.float32)
        asked = self._words.transform(queries)
        asked.data[:] = 1  # a word that a query says twice is not wanted twice as much
        return (asked.astype(np.float32) @ self._weights).toarray()
