"""Figures of lists beyond their hits; the reference cases hold the rest."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.evaluation.beyond import categories_of


def test_categories_are_read_from_items():
    items = pd.DataFrame({"item_id": ["x", "z"], "categories": ["B|A", None]})
    found = categories_of(items, np.array(["x", "y", "z"], dtype=object))
    assert found is not None
    assert found.tolist() == [[True, True], [False, False], [False, False]]
    assert categories_of(items.iloc[1:], np.array(["z"], dtype=object)) is None
