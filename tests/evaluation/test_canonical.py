"""Lists made canonical: nothing twice, nothing unknown, ties by id."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.canonical import EMPTY, ListError, canonical_lists, order_by_score


def test_an_item_outside_the_catalogue_names_its_row():
    with pytest.raises(ListError, match="list 1, place 0: item 7"):
        canonical_lists(np.array([[1, 2], [7, 1]]), num_items=5)


def test_order_by_score_drops_nan_and_breaks_ties_by_item():
    items, scores = np.array([[4, 2, 3, 1]]), np.array([[0.5, 0.5, np.nan, 0.9]])
    assert order_by_score(items, scores).tolist() == [[1, 2, 4, EMPTY]]


def test_all_ties_are_in_the_order_of_ids():
    """Equal scores say nothing: [3, 1, 2] becomes [1, 2, 3], whatever order the arm gave them in."""
    tied = order_by_score(np.array([[3, 1, 2]]), np.zeros((1, 3)))
    assert tied.tolist() == [[1, 2, 3]]
