"""The sign-flip test: exact for few users, never zero beyond."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluation.permutation import sign_flip_p


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_exact_permutation_agrees_with_enumeration(values: list[int]):
    differences = np.array(values, dtype=float)
    signs = 1 - 2 * ((np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1)
    means = (signs * differences).mean(axis=1)
    greater = (means >= differences.mean() - 1e-12).mean()
    less = (means <= differences.mean() + 1e-12).mean()
    found = sign_flip_p(differences[:, None], seed=0)[0]
    assert found == pytest.approx(min(1, 2 * min(greater, less)))


def test_monte_carlo_p_is_never_zero_and_repeats():
    differences = np.full((100, 1), 0.3)
    p = sign_flip_p(differences, resamples=999, seed=1)
    assert p[0] == pytest.approx(2 / 1000)
    assert (p == sign_flip_p(differences, resamples=999, seed=1)).all()
