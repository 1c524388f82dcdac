"""Agreement of a prefix with users and categories, as arithmetic, and against labels that mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.tokenizer.agreement import (
    NOTHING,
    category_agreement,
    co_interaction_agreement,
    prefix_labels,
)
from components.tokenizer.modalities import TokenizerInputError


def test_prefix_labels_of_one_and_two_codes():
    """First codes 5, 5, 2: two labels. Pairs (5,1), (5,0), (2,1): three."""
    codes = np.array([[5, 1, 0], [5, 0, 0], [2, 1, 0]])
    assert prefix_labels(codes, 1).tolist() == [1, 1, 0]
    assert prefix_labels(codes, 2).tolist() == [2, 1, 0]


def test_co_interaction_is_whole_when_users_stay_inside_one_code():
    """Two users, two items each, one code a user. Dealt at random a pair agrees in 1 of 3 cases."""
    edges = np.array([[0, 0, 1, 1], [0, 1, 2, 3]])
    agreement = co_interaction_agreement(
        np.array([7, 7, 8, 8]), edges, seed=0, num_pairs=400, num_permutations=600
    )
    assert agreement.found == 1.0
    assert agreement.permuted == pytest.approx(1 / 3, abs=0.06)
    assert agreement.lift == pytest.approx(3, rel=0.2)
    assert agreement.z > 0
    assert agreement.num_items == 4


def test_co_interaction_never_pairs_an_item_with_itself():
    """One user with two items of different codes: no pair agrees."""
    assert co_interaction_agreement(np.array([0, 1]), np.array([[0, 0], [0, 1]]), seed=0).found == 0.0


def test_one_event_a_user_makes_no_pair():
    assert co_interaction_agreement(np.array([0, 1]), np.array([[0, 1], [0, 1]]), seed=0) == NOTHING


def test_category_overlap_of_pairs_that_share_a_label():
    """Label 0: {a,b} and {b,c} share 1 of 3; label 1: {d} and {d} share all. Pairs are drawn evenly over
    items, so (1/3 + 1)/2 = 2/3. Of all 6 pairs 2 overlap: (1/3 + 1)/6 = 2/9. The item without any sits out."""
    categories = [["a", "b"], ["b", "c"], ["d"], ["d"], []]
    agreement = category_agreement(
        np.array([0, 0, 1, 1, 1]), categories, seed=0, num_pairs=4_000, num_permutations=600
    )
    assert agreement.found == pytest.approx(2 / 3, abs=0.02)
    assert agreement.permuted == pytest.approx(2 / 9, abs=0.03)
    assert agreement.num_items == 4


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), num_labels=st.integers(2, 6))
def test_labels_dealt_at_random_agree_with_nothing(seed, num_labels):
    """Figures are shares, and random labels stay near their own permutation."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_labels, size=300)
    categories = [[str(name)] for name in rng.integers(5, size=300)]
    edges = np.unique(np.stack([rng.integers(40, size=600), rng.integers(300, size=600)]), axis=1)
    for agreement in (
        co_interaction_agreement(labels, edges, seed=1, num_pairs=2_000),
        category_agreement(labels, categories, seed=1, num_pairs=2_000),
    ):
        assert 0 <= agreement.found <= 1
        assert abs(agreement.found - agreement.permuted) < 0.12
        assert abs(agreement.z) < 8


def test_labels_that_stand_alone_and_items_without_categories_make_no_pair():
    assert category_agreement(np.arange(3), [["a"]] * 3, seed=0) == NOTHING
    assert category_agreement(np.zeros(3, dtype=int), [[], [], []], seed=0) == NOTHING


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([["a"]], "given for 1 items, there are 2"),
        ([["a"], "a|b"], "categories of row 1 are the text 'a|b'"),
    ],
)
def test_categories_that_do_not_fit_are_refused(categories, message):
    with pytest.raises(TokenizerInputError, match=message):
        category_agreement(np.array([0, 0]), categories, seed=0)
