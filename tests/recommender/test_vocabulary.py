import numpy as np
import pytest

from components.recommender.sequences import TrainingSequences
from components.recommender.vocabulary import SPARE_COLLISIONS, CodeOutOfRange, extended, vocabulary_of

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


def test_codes_beyond_the_tables_are_refused_by_name():
    with pytest.raises(CodeOutOfRange, match="item 'b' has code 2 at level 0, the arm knows 2"):
        vocabulary_of(SEQUENCES, CODES, [2, 2, 2])
    with pytest.raises(ValueError, match="codes have 3 levels, the tables 2"):
        vocabulary_of(SEQUENCES, CODES, [4, 4])
    with pytest.raises(ValueError, match="2 rows of codes for 3 items"):
        vocabulary_of(SEQUENCES, CODES[:2])
