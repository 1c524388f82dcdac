"""k-means: means by hand, evenly dealt where asked, and no code left empty."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.tokenizer.kmeans import balanced_assignment, kmeans, nearest, spread_start, squared_distances


def test_distances_by_hand():
    """(3, 4) is 25 from the origin and 5 from (1, 3); it is nearest the latter."""
    x, codes = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 0.0], [1.0, 3.0]])
    assert squared_distances(x, codes).tolist() == [[25.0, 5.0]]
    assert nearest(x, codes).tolist() == [1]


def test_kmeans_finds_two_clumps():
    """Means of (0, 2) and (10, 12) are 1 and 11, from any start in the data."""
    x = torch.tensor([[0.0], [2.0], [10.0], [12.0]])
    found = kmeans(x, spread_start(x, 2, torch.Generator().manual_seed(3)), balance=0.0)
    assert sorted(found.flatten().tolist()) == [1.0, 11.0]


def test_kmeans_gives_an_empty_code_to_the_item_farthest_from_its_own():
    """Both codes start at 100, the lower takes all; the other must not stay empty."""
    x = torch.tensor([[0.0], [0.0], [9.0]])
    found = kmeans(x, torch.tensor([[100.0], [100.0]]), balance=0.0)
    assert sorted(found.flatten().tolist()) == [0.0, 9.0]


def test_balanced_assignment_halves_what_nearest_would_crowd():
    """Nine items at 0, .1, … .8 and codes at 0 and 10: nearest gives all to one, balance gives 5 and 4."""
    x, codes = torch.arange(9.0).unsqueeze(1) / 10, torch.tensor([[0.0], [10.0]])
    distance = squared_distances(x, codes)
    assert distance.argmin(dim=1).tolist() == [0] * 9
    given_codes = balanced_assignment(distance, balance=0.01, rounds=200)
    assert sorted(torch.bincount(given_codes, minlength=2).tolist()) == [4, 5]
    assert (given_codes.diff() >= 0).all(), "the ones nearest to the far code go there"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), items=st.integers(1, 30), size=st.integers(1, 8))
def test_a_start_is_made_of_items_all_different_while_there_are_any(seed, items, size):
    generator = torch.Generator().manual_seed(seed)
    x = torch.arange(float(items)).unsqueeze(1)
    chosen = spread_start(x, min(size, items), generator).flatten().tolist()
    assert set(chosen) <= set(x.flatten().tolist())
    assert len(set(chosen)) == len(chosen)


def test_a_start_on_equal_items_repeats_them():
    assert spread_start(torch.ones(3, 2), 3, torch.Generator().manual_seed(0)).tolist() == [[1.0, 1.0]] * 3
