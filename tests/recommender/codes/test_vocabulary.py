import numpy as np
import pytest

from components.recommender.codes.vocabulary import SPARE_COLLISIONS, CodeOutOfRange, extended, vocabulary_of
from components.recommender.sequences import TrainingSequences

SEQUENCES = TrainingSequences.from_lists([["b", "c"]], item_ids=["a", "b", "c"])
CODES = np.array([[0, 1, 0], [2, 0, 0], [2, 0, 1]])


def test_tables_have_room_for_collisions_to_come():
    made = vocabulary_of(SEQUENCES, CODES)
    assert made.num_codes == (3, 2, SPARE_COLLISIONS)
    assert made.is_trained.tolist() == [False, True, True]
    assert vocabulary_of(SEQUENCES, CODES, [16, 16, 9]).num_codes == (16, 16, 9)
    assert vocabulary_of(SEQUENCES).num_codes == ()


def test_new_items_find_their_rows():
    """b stays where a and c go around it; the new item aa stands second."""
    grown = extended(vocabulary_of(SEQUENCES, CODES), np.array(["aa", "b"]), np.array([[1, 1, 0], [2, 0, 0]]))
    assert grown.vocabulary.item_ids.tolist() == ["a", "aa", "b", "c"]
    assert grown.vocabulary.codes.tolist() == [[0, 1, 0], [1, 1, 0], [2, 0, 0], [2, 0, 1]]
    assert grown.vocabulary.is_trained.tolist() == [False, False, True, True]
    assert grown.row_before.tolist() == [0, -1, 1, 2]


def test_a_collision_token_that_nobody_was_trained_on_reads_as_the_highest_that_was():
    """b and c are trained, with tokens 0 and 1; the items that come bring tokens 2 and 9."""
    new = np.array([[2, 0, 2], [2, 0, 9]])
    grown = extended(vocabulary_of(SEQUENCES, CODES), np.array(["d", "e"]), new).vocabulary
    assert grown.codes[3:].tolist() == new.tolist()
    assert grown.read_codes.tolist() == [*CODES.tolist(), [2, 0, 1], [2, 0, 1]]
    assert vocabulary_of(SEQUENCES).read_codes.shape == (3, 0)


def test_codes_beyond_the_tables_are_refused_by_name():
    with pytest.raises(CodeOutOfRange, match="item 'b' has code 2 at level 0, the arm knows 2"):
        vocabulary_of(SEQUENCES, CODES, [2, 2, 2])
    with pytest.raises(ValueError, match="codes have 3 levels, the tables 2"):
        vocabulary_of(SEQUENCES, CODES, [4, 4])
    with pytest.raises(ValueError, match="2 rows of codes for 3 items"):
        vocabulary_of(SEQUENCES, CODES[:2])
