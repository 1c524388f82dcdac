"""The ID table: one ID an item, rows that never change."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.tokenizer.ids import (
    SemanticIdError,
    SemanticIds,
    append,
    read_ids,
    with_collision_tokens,
    write_ids,
)


def _ids(*names: str) -> np.ndarray:
    return np.array(names, dtype=object)


def test_the_most_popular_item_of_a_tuple_gets_token_0_and_ties_go_by_id():
    """b (9 events) leads; a and c tie at 4, a comes first by id; d stands alone under its tuple."""
    table = with_collision_tokens(
        _ids("c", "a", "b", "d"), np.array([[1, 2], [1, 2], [1, 2], [1, 3]]), np.array([4, 4, 9, 0])
    )
    assert table.item_ids.tolist() == ["c", "a", "b", "d"]
    assert table.codes.tolist() == [[1, 2, 2], [1, 2, 1], [1, 2, 0], [1, 3, 0]]


def test_a_new_item_gets_the_token_after_the_highest():
    """Tokens 0 and 5 are taken under (1, 2): y and z get 6 and 7 by id, whatever their order of arrival."""
    table = SemanticIds(item_ids=_ids("a", "b"), codes=np.array([[1, 2, 0], [1, 2, 5]]))
    longer = append(table, _ids("z", "y", "x"), np.array([[1, 2], [1, 2], [0, 0]]))
    assert longer.item_ids.tolist() == ["a", "b", "x", "y", "z"]
    assert longer.codes[2:].tolist() == [[0, 0, 0], [1, 2, 6], [1, 2, 7]]


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=8), min_size=1, max_size=5
    ),
    popularity=st.integers(0, 10_000),
)
def test_appending_never_changes_a_row_and_never_repeats_an_id(batches, popularity):
    first = np.array(batches[0], dtype=np.int64).reshape(-1, 2)
    names = _ids(*(f"i{place}" for place in range(len(first))))
    table = with_collision_tokens(
        names, first, np.random.default_rng(popularity).integers(5, size=len(first))
    )
    for number, batch in enumerate(batches[1:]):
        before, digest = table, table.digest
        new = _ids(*(f"b{number}-{place}" for place in range(len(batch))))
        table = append(before, new, np.array(batch, dtype=np.int64).reshape(-1, 2))
        assert table.codes[: len(before)].tolist() == before.codes.tolist()
        assert table.item_ids[: len(before)].tolist() == before.item_ids.tolist()
        assert set(table.item_ids[len(before) :]) == set(new)
        assert before.digest == digest
        assert (table.digest == digest) == (not batch)
    assert len({tuple(row) for row in table.codes.tolist()}) == len(table)


def test_a_grown_table_holds_what_it_grew_from_and_a_fork_does_not():
    begun = with_collision_tokens(_ids("a", "b"), np.array([[1, 2], [1, 3]]), np.array([2, 1]))
    grown = append(begun, _ids("c"), np.array([[1, 2]]))
    forked = append(begun, _ids("c"), np.array([[1, 3]]))
    assert grown.holds(begun)
    assert grown.holds(grown)
    assert not begun.holds(grown)
    assert not grown.holds(forked)
    assert not grown.holds(with_collision_tokens(_ids("a"), np.array([[1]]), np.array([1])))


def test_written_and_read_back_it_is_the_same_table(tmp_path):
    table = with_collision_tokens(
        _ids("ä", "b|c", ""), np.array([[3, 1], [3, 1], [0, 0]]), np.array([1, 2, 3])
    )
    write_ids(table, tmp_path / "ids.parquet")
    back = read_ids(tmp_path / "ids.parquet")
    assert (back.item_ids.tolist(), back.codes.tolist()) == (table.item_ids.tolist(), table.codes.tolist())
    assert back.digest == table.digest
    write_ids(back, tmp_path / "again.parquet")
    assert (tmp_path / "ids.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()


def test_digest_tells_items_codes_and_their_order_apart():
    codes = np.array([[0, 0], [1, 0]])
    digests = {
        SemanticIds(item_ids=_ids("ab", "c"), codes=codes).digest,
        SemanticIds(item_ids=_ids("a", "bc"), codes=codes).digest,
        SemanticIds(item_ids=_ids("c", "ab"), codes=codes).digest,
        SemanticIds(item_ids=_ids("ab", "c"), codes=codes[::-1]).digest,
    }
    assert len(digests) == 4


def test_an_item_with_an_id_is_not_given_another():
    table = SemanticIds(item_ids=_ids("a"), codes=np.array([[1, 0]]))
    with pytest.raises(SemanticIdError, match="item a has an ID already"):
        append(table, _ids("b", "a"), np.array([[1], [1]]))


def test_codes_of_another_depth_are_refused():
    table = SemanticIds(item_ids=_ids("a"), codes=np.array([[1, 0]]))
    with pytest.raises(SemanticIdError, match="2 levels, the table has 1"):
        append(table, _ids("b"), np.array([[1, 1]]))


@pytest.mark.parametrize(
    ("names", "codes", "message"),
    [
        (("a", "a"), [[0, 0], [1, 0]], "item a stands in the table 2 times"),
        (("a", "b"), [[1, 0], [1, 0]], r"share the full ID \[1, 0\]; the first is a"),
        (("a", "b"), [[1, 0], [1, -1]], "item b has the negative code"),
        (("a",), [[1, 0], [1, 1]], r"codes are \(2, 2\) for 1 items"),
    ],
)
def test_a_table_that_breaks_its_promise_is_not_built(names, codes, message):
    with pytest.raises(SemanticIdError, match=message):
        SemanticIds(item_ids=_ids(*names), codes=np.array(codes))


def test_a_file_that_is_no_table_is_named(tmp_path):
    path = tmp_path / "ids.parquet"
    path.write_bytes(b"not parquet")
    with pytest.raises(SemanticIdError, match=r"ids\.parquet: not a readable ID table"):
        read_ids(path)
    write_ids(SemanticIds(item_ids=_ids("a"), codes=np.array([[1, 0]])), path)
    pq.write_table(pq.read_table(path).rename_columns(["item", "code_1", "collision_token"]), path)
    with pytest.raises(SemanticIdError, match="columns are"):
        read_ids(path)
    with pytest.raises(SemanticIdError, match="absent"):
        read_ids(tmp_path / "absent.parquet")
