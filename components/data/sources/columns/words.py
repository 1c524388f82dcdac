"""Words that stand for nothing: how databases, spreadsheets and data frames write a missing value as text."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

MISSING_WORDS = ("null", "none", "nan", "\\n", "<na>", "nat", "n/a", "#n/a", "(null)", "undefined", "<null>")
DOUBTFUL_WORDS = ("na", "nil", "-", "--", "?", "unknown", "anonymous", "missing")
_NO_WIDTH = "\u200b\u2060\ufeff"


def stripped(texts: pa.ChunkedArray) -> tuple[pa.ChunkedArray, int]:
    """Without blanks and characters of no width at either end, and how many values that changed."""
    clean = pc.utf8_trim_whitespace(pc.utf8_trim(pc.utf8_trim_whitespace(texts), _NO_WIDTH))
    changed = pc.sum(pc.not_equal(clean, texts)).as_py() or 0
    return clean, changed


def without_missing_words(
    texts: pa.ChunkedArray, more: tuple[str, ...] = ()
) -> tuple[pa.ChunkedArray, dict[str, int]]:
    """Null in place of such words, and how often each stood there, as it was written."""
    is_word = pc.is_in(pc.utf8_lower(texts), value_set=pa.array([*MISSING_WORDS, *map(str.lower, more), ""]))
    found = pc.value_counts(texts.filter(is_word)).to_pylist()
    clean = pc.if_else(is_word, pa.scalar(None, texts.type), texts)
    return clean, {pair["values"]: pair["counts"] for pair in found if pair["values"]}


def doubtful_words(texts: pa.ChunkedArray) -> dict[str, int]:
    """Words that may stand for a missing value, or be one's own, and how often each stands there."""
    is_word = pc.is_in(pc.utf8_lower(texts), value_set=pa.array(list(DOUBTFUL_WORDS)))
    return {p["values"]: p["counts"] for p in pc.value_counts(texts.filter(is_word)).to_pylist()}


def shown(counts: dict[str, int]) -> str:
    """`'NULL' 3 times, 'None' once`."""
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])[:5]
    return ", ".join(f"{word!r} {'once' if n == 1 else f'{n:,} times'}" for word, n in ordered)
