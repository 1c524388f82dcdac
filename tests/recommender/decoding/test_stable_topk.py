import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.recommender.decoding.stable_topk import stable_topk


def test_ties_go_to_the_lower_column():
    columns, scores = stable_topk(torch.tensor([[1.0, 2.0, 2.0, 1.0, 1.0]]), 3)
    assert (columns.tolist(), scores.tolist()) == ([[1, 2, 0]], [[2.0, 2.0, 1.0]])


def test_places_without_a_score_are_empty():
    columns, scores = stable_topk(torch.tensor([[-torch.inf, 1.0, torch.nan]]), 4)
    assert columns.tolist() == [[1, -1, -1, -1]]
    assert scores[0, 0] == 1.0
    assert np.isneginf(scores[0, 1:]).all()


@given(seed=st.integers(0, 999), width=st.integers(1, 30), k=st.integers(1, 12), levels=st.integers(1, 5))
def test_equals_a_full_stable_sort(seed, width, k, levels):
    """Few distinct values, so that most rows are tied at the lower edge."""
    block = np.random.default_rng(seed).integers(0, levels, (6, width)).astype(np.float32)
    columns, _ = stable_topk(torch.from_numpy(block), k)
    for row, found in zip(block, columns, strict=True):
        wanted = sorted(range(width), key=lambda c: (-row[c], c))[:k]
        assert found.tolist() == wanted + [-1] * (k - len(wanted))
