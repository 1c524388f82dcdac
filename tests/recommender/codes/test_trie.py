import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.codes.trie import DuplicateTuple, build_trie
from tests.recommender.examples import tuples


def test_worked_example():
    """Items (1,0) (0,2) (0,1): leaves in the order of their tuples are items 2 1 0; the root has 0 and 1."""
    trie = build_trie(np.array([[1, 0], [0, 2], [0, 1]]))
    root, second = trie.levels
    assert trie.items.tolist() == [2, 1, 0]
    rows = [level.children_of(torch.arange(len(level.num_children))).tolist() for level in trie.levels]
    assert rows == [[[0, 1]], [[0, 1], [2, -1]]]
    assert (root.code.tolist(), second.code.tolist()) == ([0, 1], [1, 2, 0])
    assert (second.first_leaf.tolist(), second.last_leaf.tolist()) == ([0, 2], [2, 3])
    assert second.prefix.tolist() == [[0], [1]]


@settings(deadline=None)
@given(count=st.integers(1, 60), width=st.integers(1, 5), seed=st.integers(0, 99))
def test_every_item_is_reached_by_its_codes(count, width, seed):
    codes = tuples(count, width=width, seed=seed)
    trie = build_trie(codes)
    for item in range(count):
        node = 0
        for depth, level in enumerate(trie.levels):
            slot = int(trie.slot_of_item[item, depth])
            assert int(trie.node_of_item[item, depth]) == node
            child = int(level.first_child[node]) + slot
            assert slot < int(level.num_children[node])
            assert int(level.code[child]) == codes[item, depth]
            assert level.prefix[node].tolist() == codes[item, :depth].tolist()
            node = child
        assert int(trie.items[node]) == item
    for level in trie.levels:
        assert int((level.last_leaf - level.first_leaf).sum()) == count


def test_a_crowded_node_makes_no_other_wider():
    """Of 2,000 items 1,000 share their codes: a place for each at every node would be a million."""
    shared, own = np.arange(2000) < 1000, np.arange(2000)
    codes = np.column_stack([np.where(shared, 0, own), np.where(shared, own, 0)])
    last = build_trie(codes).levels[-1]
    assert last.width == 1000
    assert max(part.numel() for part in vars(last).values() if isinstance(part, torch.Tensor)) == 2000


def test_members_only():
    trie = build_trie(np.array([[0], [1], [2]]), np.array([True, False, True]))
    assert (trie.items.tolist(), trie.node_of_item[:, 0].tolist()) == ([0, 2], [0, -1, 0])


def test_two_items_with_one_tuple_are_named():
    with pytest.raises(DuplicateTuple, match=r"items 0 and 2 share the tuple \[1, 1\]"):
        build_trie(np.array([[1, 1], [0, 0], [1, 1]]))


def test_a_trie_needs_items_and_codes():
    with pytest.raises(ValueError, match="empty"):
        build_trie(np.zeros((0, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="item 1 has a negative code"):
        build_trie(np.array([[0], [-1]]))
