"""What all arms do alike: who may be returned, in which batches, and what is told on the way."""

import numpy as np
import pytest
import torch

from components.recommender.decoding import requests
from components.recommender.decoding.candidates import CatalogueRows, candidate_items, vocabulary_rows
from components.recommender.decoding.requests import rank_by_score, rank_proposals, request_batches
from tests.recommender.examples import histories_of

CATALOGUE = np.array(["c", "x", "a", "b"], dtype=object)
ROWS = vocabulary_rows(CATALOGUE, np.array(["a", "b", "c"], dtype=object))


def test_rows_and_candidates_by_hand():
    """Rows of a b c are 0 1 2; x is a stranger, and b is no candidate: columns are c and a."""
    assert ROWS.tolist() == [2, -1, 0, 1]
    allowed = candidate_items(ROWS, np.array([True, True, True, False]))
    assert (allowed.positions.tolist(), allowed.rows.tolist()) == ([0, 2], [2, 0])
    assert allowed.column.tolist() == [0, -1, 1, -1]


def test_rows_are_kept_for_a_catalogue_that_cannot_change_and_for_no_other():
    rows = CatalogueRows(np.array(["a", "b", "c"], dtype=object))
    fixed, changing = CATALOGUE.copy(), CATALOGUE.copy()
    fixed.flags.writeable = False
    kept = rows.of(fixed)
    assert kept.tolist() == ROWS.tolist()
    assert rows.of(fixed) is kept
    assert rows.of(changing).tolist() == ROWS.tolist()
    changing[0] = "b"
    assert rows.of(changing).tolist() == [1, -1, 0, 1]
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1


def test_batches_by_hand():
    """Shortest known history first; strangers are not read, the latest two are, everything seen is excluded once."""
    asked = histories_of(CATALOGUE, [[0, 2, 3, 0], [1], [2]])
    batches = list(
        request_batches(
            asked, ROWS, candidate_items(ROWS, None), max_length=2, batch_size=2, exclude_seen=True
        )
    )
    first, second = batches
    assert (first.requests.tolist(), first.length.tolist()) == ([1, 2], [0, 1])
    assert first.items.tolist() == [[0], [0]]  # filling, and row 0 of a
    assert (first.excluded_row.tolist(), first.excluded_column.tolist()) == ([1], [1])
    assert (second.requests.tolist(), second.items.tolist()) == ([0], [[1, 2]])
    assert second.excluded_column.tolist() == [0, 1, 2]


def test_large_catalogues_are_scored_in_smaller_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(requests, "SCORE_CELLS", 7)  # two requests of three columns
    batches = request_batches(
        histories_of(CATALOGUE, [[0]] * 5),
        ROWS,
        candidate_items(ROWS, None),
        max_length=2,
        batch_size=256,
        exclude_seen=False,
    )
    assert [len(batch.requests) for batch in batches] == [2, 2, 1]


def test_the_best_by_score_and_the_best_of_proposals():
    """Scores of rows a b c are 1, 3, 3: ties in the catalogue's order, so c before b; c is seen by the second."""
    asked = histories_of(CATALOGUE, [[], [0]])
    scores = torch.tensor([1.0, 3.0, 3.0])
    everything = {"k": 3, "candidates": None, "exclude_seen": True}
    ranked = rank_by_score(
        lambda batch, allowed: scores[allowed.rows].repeat(len(batch.requests), 1), asked, ROWS, **everything
    )
    assert ranked.items.tolist() == [[0, 3, 2], [3, 2, -1]]

    def propose(batch, allowed):  # columns in any order, an empty place among them
        column = torch.tensor([[2, 0, 1]]).repeat(len(batch.requests), 1)
        score = scores[allowed.rows][column]
        for row, excluded in zip(batch.excluded_row, batch.excluded_column, strict=True):
            score[row][column[row] == excluded] = -torch.inf
        return column, score

    proposed = rank_proposals(propose, asked, ROWS, max_length=5, batch_size=2, **everything)
    np.testing.assert_array_equal(proposed.items, ranked.items)
    np.testing.assert_array_equal(proposed.scores, ranked.scores)


def test_every_batch_is_told_and_the_last_one_is_all():
    """Five requests by two; and where no item may be returned, one call that says it is done."""
    asked, told = histories_of(CATALOGUE, [[0]] * 5), []

    def propose(batch, allowed):
        return torch.zeros(len(batch.requests), 1).long(), torch.zeros(len(batch.requests), 1)

    how = {"k": 1, "exclude_seen": False, "max_length": 5, "batch_size": 2}
    rank_proposals(propose, asked, ROWS, candidates=None, on_step=lambda *step: told.append(step), **how)
    assert told == [(2, 5), (4, 5), (5, 5)]
    told.clear()
    nobody = np.zeros(4, dtype=bool)
    rank_proposals(propose, asked, ROWS, candidates=nobody, on_step=lambda *step: told.append(step), **how)
    assert told == [(5, 5)]
