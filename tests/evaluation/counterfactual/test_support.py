"""Figures of a log's weights."""

from __future__ import annotations

import numpy as np

from components.evaluation.counterfactual.support import effective_sample_size


def test_effective_sample_size_worked_example() -> None:
    """Weights 3 and 1: 16 / 10 = 1.6."""
    assert effective_sample_size(np.array([3.0, 1.0])) == 1.6
    assert effective_sample_size(np.ones(7)) == 7
    assert effective_sample_size(np.zeros(3)) == 0
