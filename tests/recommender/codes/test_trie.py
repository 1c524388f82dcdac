import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.recommender.codes.trie import DuplicateTuple, build_trie
from tests.recommender.examples import tuples


def test_worked_example():
    """Items (1,0) (0,2) (0,1): leaves in the order of their tuples are items 2 1 0; the root has 0 and 1."""
    trie = build_trie(np.array([[1, 0], [0, 2], [0, 1]]))
    root, second = trie.levels
    assert trie.items.tolist() == [2, 1, 0]
    assert (root.code.tolist(), root.child.tolist()) == ([[0, 1]], [[0, 1]])
    assert (second.code.tolist(), second.child.tolist()) == ([[1, 2], [0, 0]], [[0, 1], [2, -1]])
    assert (second.first_leaf.tolist(), second.last_leaf.tolist()) == ([0, 2], [2, 3])
    assert second.prefix.tolist() == [[0], [1]]


@given(count=st.integers(1, 60), width=st.integers(1, 5), seed=st.integers(0, 99))
def test_every_item_is_reached_by_its_codes(count, width, seed):
    codes = tuples(count, width=width, seed=seed)
    trie = build_trie(codes)
    for item in range(count):
        node = 0
        for depth, level in enumerate(trie.levels):
            slot = int(trie.slot_of_item[item, depth])
            assert int(trie.node_of_item[item, depth]) == node
            assert int(level.code[node, slot]) == codes[item, depth]
            assert level.prefix[node].tolist() == codes[item, :depth].tolist()
            node = int(level.child[node, slot])
        assert int(trie.items[node]) == item
    for level in trie.levels:
        assert int((level.last_leaf - level.first_leaf).sum()) == count


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
