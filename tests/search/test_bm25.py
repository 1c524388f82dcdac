"""BM25 held to its formula, written out for one pair of a query and a text after the other."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.search.bm25 import BM25

WORDS = st.lists(st.sampled_from(["moon", "toy", "war", "love", "a"]), max_size=8).map(" ".join)


def by_hand(query: str, texts: list[str]) -> list[float]:
    """Robertson and Zaragoza 2009, equation 3.15 with Lucene's idf, k1 = 1.2 and b = .75."""
    split = [re.findall(r"\w+", text.lower()) for text in texts]
    mean = sum(map(len, split)) / len(split)
    scores = []
    for words in split:
        score = 0.0
        for word in set(re.findall(r"\w+", query.lower())):
            having = sum(word in other for other in split)
            idf = math.log(1 + (len(split) - having + 0.5) / (having + 0.5))
            count = words.count(word)
            score += idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * len(words) / mean)) if count else 0.0
        scores.append(score)
    return scores


@given(texts=st.lists(WORDS, min_size=1, max_size=6), query=WORDS)
def test_it_is_the_formula(texts: list[str], query: str) -> None:
    found = BM25(texts).scores([query])[0]
    expected = by_hand(query, texts) if any(texts) else [0.0] * len(texts)
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_rare_word_counts_more_and_case_and_accents_do_not() -> None:
    index = BM25(["the Amélie", "the moon", "the toy", "the war"])
    (rare,), (common,) = index.scores(["AMELIE"]), index.scores(["the"])
    assert rare[0] > common[0] > 0
    assert not rare[1:].any()


def test_texts_without_a_word_fit_nothing() -> None:
    assert np.array_equal(BM25(["", "?!"]).scores(["moon", ""]), np.zeros((2, 2)))
    assert BM25([]).scores(["moon"]).shape == (1, 0)
