"""Ranking metrics: arithmetic a reader can redo, a naive twin over random input, the classic mistakes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation.canonical import canonical_lists
from components.evaluation.ranking import Relevant, UnknownMetric, mean_per_group, rank_metrics


def _metrics(row: list[int], relevant: list[int], *names: str) -> list[float]:
    truth = Relevant(offsets=np.array([0, len(relevant)]), items=np.array(relevant, dtype=int))
    lists = canonical_lists(np.array([row], dtype=int).reshape(1, -1), num_items=100)
    return [float(values[0]) for values in rank_metrics(lists, truth, names, num_items=100).values()]


def test_worked_example():
    """Hits at places 1 and 3 of four, three relevant: recall 2/3, precision 2/4, MRR 1.

    MAP = (1/1 + 2/3) / 3; DCG = 1 + 1/log2(4) = 1.5 over the ideal 1 + 1/log2(3) + 1/2.
    """
    found = _metrics(
        [5, 9, 6, 8], [5, 6, 7], "hr@4", "recall@4", "precision@4", "mrr@4", "map_trec@4", "ndcg@4"
    )
    assert found == pytest.approx([1, 2 / 3, 2 / 4, 1, (1 + 2 / 3) / 3, 1.5 / (1 + 1 / math.log2(3) + 0.5)])


def test_ideal_has_no_more_hits_than_there_are_relevant():
    """One relevant item at the top is a perfect list of ten: the ideal is one hit, not ten."""
    assert _metrics([3, 1, 2], [3], "ndcg@10") == [1.0]


def test_precision_divides_by_k_for_a_short_list():
    assert _metrics([3], [3], "precision@10") == [0.1]


def test_an_empty_list_scores_zero_and_no_positives_is_undefined():
    assert _metrics([], [3], "ndcg@5", "hr@5", "mrr@5", "map_trec@5", "recall@5") == [0.0] * 5
    assert math.isnan(_metrics([3], [], "ndcg@5")[0])


def test_a_repeated_item_counts_once():
    """1, 1, 1, 3 is 1, 3: precision@3 is 1/3 although the hit stands there three times."""
    assert _metrics([1, 1, 1, 3], [1], "precision@3", "ndcg@3") == pytest.approx([1 / 3, 1.0])


def test_unknown_metric_is_refused():
    with pytest.raises(UnknownMetric, match="ndgc@10"):
        _metrics([1], [1], "ndgc@10")


def test_mean_per_group_skips_what_is_undefined():
    found = mean_per_group(np.array([1.0, np.nan, 3.0, np.nan]), np.array([0, 0, 0, 1]), 2)
    assert found[0] == 2.0
    assert math.isnan(found[1])


rows = st.lists(st.lists(st.integers(-1, 9), min_size=6, max_size=6), min_size=1, max_size=6)
truths = st.lists(st.sets(st.integers(0, 9), max_size=5), min_size=6, max_size=6)


@settings(deadline=None, max_examples=150)
@given(rows=rows, truths=truths, k=st.integers(1, 8))
def test_agrees_with_a_naive_twin(rows: list[list[int]], truths: list[set[int]], k: int):
    truths = truths[: len(rows)]
    relevant = Relevant(
        offsets=np.cumsum([0, *map(len, truths)]), items=np.array([i for t in truths for i in t], dtype=int)
    )
    names = [f"{m}@{k}" for m in ("hr", "recall", "precision", "ndcg", "mrr", "map_trec", "map_min")]
    found = rank_metrics(canonical_lists(np.array(rows), num_items=10), relevant, names, num_items=10)
    for r, (row, truth) in enumerate(zip(rows, truths, strict=True)):
        if not truth:
            assert all(np.isnan(values[r]) for values in found.values())
            continue
        expected = _naive(list(dict.fromkeys(i for i in row if i >= 0))[:k], truth, k)
        assert [values[r] for values in found.values()] == pytest.approx(expected)


def _naive(row: list[int], truth: set[int], k: int) -> list[float]:
    hits = [item in truth for item in row]
    dcg = sum(hit / math.log2(place + 2) for place, hit in enumerate(hits))
    ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(truth))))
    first = next((1 / (place + 1) for place, hit in enumerate(hits) if hit), 0.0)
    precisions = sum(sum(hits[: place + 1]) / (place + 1) for place, hit in enumerate(hits) if hit)
    return [
        float(any(hits)), sum(hits) / len(truth), sum(hits) / k, dcg / ideal, first,
        precisions / len(truth), precisions / min(k, len(truth)),
    ]  # fmt: skip
