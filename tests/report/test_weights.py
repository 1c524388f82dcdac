"""Where the weight lies."""

from __future__ import annotations

import numpy as np

from components.report.weights import weight_figures
from tests.report.reading import drawn


def test_equal_weights_make_one_bar() -> None:
    (rounds, _) = drawn(weight_figures(np.ones(30), 30.0))
    assert sorted(rounds["data"][0]["y"])[-2:] == [0, 30]
