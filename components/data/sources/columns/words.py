"""Words that stand for nothing: how databases, spreadsheets and data frames write a missing value as text."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Texts = TypeVar("Texts", pa.Array, pa.ChunkedArray)

MISSING_WORDS = ("null", "none", "nan", "\\n", "<na>", "nat", "n/a", "#n/a", "(null)", "undefined", "<null>")
DOUBTFUL_WORDS = ("na", "nil", "-", "--", "?", "unknown", "anonymous", "missing")
_NO_WIDTH = "\u200b\u2060\ufeff"


def stripped(texts: Texts, counts: np.ndarray | None = None) -> tuple[Texts, int]:
    """Without blanks and characters of no width at either end, and how many values that changed.

    `counts` says how often each value stands for itself, where they are distinct ones; so of the functions below.
    """
    clean = pc.utf8_trim_whitespace(pc.utf8_trim(pc.utf8_trim_whitespace(texts), _NO_WIDTH))
    return clean, num_chosen(pc.not_equal(clean, texts), counts)


def without_missing_words(
    texts: Texts, more: tuple[str, ...] = (), counts: np.ndarray | None = None
) -> tuple[Texts, dict[str, int]]:
    """Null in place of such words, and how often each stood there, as it was written."""
    is_word = pc.is_in(pc.utf8_lower(texts), value_set=pa.array([*MISSING_WORDS, *map(str.lower, more), ""]))
    found = _counted(texts, is_word, counts)
    clean = pc.if_else(is_word, pa.scalar(None, texts.type), texts)
    return clean, {word: count for word, count in found.items() if word}


def doubtful_words(texts: Texts, counts: np.ndarray | None = None) -> dict[str, int]:
    """Words that may stand for a missing value, or be one's own, and how often each stands there."""
    is_word = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(list(DOUBTFUL_WORDS)))
    return _counted(texts, is_word, counts)


def num_chosen(chosen: Texts, counts: np.ndarray | None) -> int:
    """How many values are chosen."""
    if counts is None:
        return int(pc.sum(chosen).as_py() or 0)
    return int(counts[pc.fill_null(chosen, False).to_numpy(zero_copy_only=False)].sum())


def _counted(texts: Texts, chosen: Texts, counts: np.ndarray | None) -> dict[str, int]:
    held = texts.filter(chosen)
    if counts is None:
        return {pair["values"]: pair["counts"] for pair in pc.value_counts(held).to_pylist()}
    times = counts[chosen.to_numpy(zero_copy_only=False)].tolist()
    told: dict[str, int] = {}
    for word, count in zip(held.to_pylist(), times, strict=True):
        told[word] = told.get(word, 0) + count
    return told


def shown(counts: dict[str, int]) -> str:
    """`'NULL' 3 times, 'None' once`."""
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])[:5]
    return ", ".join(f"{word!r} {'once' if n == 1 else f'{n:,} times'}" for word, n in ordered)
