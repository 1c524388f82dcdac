from dataclasses import replace

import numpy as np
import pytest
import torch

from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.arms.tiger import train_tiger
from components.recommender.codes.trie import DuplicateTuple
from components.recommender.codes.vocabulary import CodeOutOfRange
from components.recommender.loading import load_arm
from components.recommender.presets import default_mmgrec
from components.recommender.sequences import TrainingSequences
from components.tokenizer.ids import append, with_collision_tokens
from tests.recommender.examples import (
    SHORT,
    SMALL,
    SMALL_TIGER,
    circling,
    histories_of,
    item_names,
    trained_arm,
    tuples,
)

LEARNED = replace(SMALL, training=replace(SHORT, epochs=10, learning_rate=2e-2))


def test_learns_who_comes_next():
    """On a circle of 20 items every decoder puts the next item first."""
    torch.set_num_threads(1)
    sequences = circling(60, 20, 10, seed=0)
    arm = train_mmgrec(sequences, tuples(20, width=3, seed=0), LEARNED, seed=0)
    lists = [[(start + at) % 20 for at in range(5)] for start in range(20)]
    for decode in ("beam", "exact", "hybrid"):
        ranked = arm.decoding(decode).recommend(histories_of(item_names(20), lists), k=3)
        assert np.mean(ranked.items[:, 0] == (np.arange(20) + 5) % 20) >= 0.95, decode


def test_default_beam_equals_exact_scoring():
    """600 items under more prefixes than beams: likely and unlikely histories, 99.5 % of the top ten.

    A few of the beams lose a tenth of them and more, so it is the width that keeps the promise.
    """
    torch.set_num_threads(1)
    codes = tuples(600, width=100, levels=3, seed=0)
    shipped = default_mmgrec()
    assert len(np.unique(codes[:, :3], axis=0)) > 2 * shipped.beam_size
    assert len(np.unique(codes[:, 0])) > shipped.first_beam_size
    config = replace(SMALL, beam_size=shipped.beam_size, first_beam_size=shipped.first_beam_size)
    arm = train_mmgrec(circling(150, 600, 20, seed=0), codes, config, seed=0)
    rng = np.random.default_rng(0)
    likely = [((start + np.arange(6)) % 600).tolist() for start in rng.integers(0, 600, 100)]
    histories = histories_of(item_names(600), likely + [rng.integers(0, 600, 6).tolist() for _ in range(100)])
    exact = arm.decoding("exact").recommend(histories, k=10)
    beam = arm.decoding("beam").recommend(histories, k=10)
    assert np.mean(beam.items == exact.items) >= 0.995
    np.testing.assert_allclose(beam.scores, exact.scores, atol=1e-3)
    narrow = arm.decoding("beam", beam_size=10, first_beam_size=10).recommend(histories, k=10)
    assert np.mean(narrow.items == exact.items) < 0.9


def test_a_new_item_is_produced_from_its_codes():
    """An item that arrives after training, with the codes of a likely neighbour, enters lists; old scores stay."""
    arm = trained_arm(40)
    item_ids, codes = item_names(40), arm.vocabulary.codes
    new_codes = np.array(
        [[codes[7, 0], codes[7, 1], codes[:, 2].max() + 1]]
    )  # a collision token never trained
    extended = arm.with_ids(np.array(["a-new-one"], dtype=object), new_codes)
    assert extended.vocabulary.item_ids.tolist() == ["a-new-one", *item_ids]

    catalogue = np.concatenate([item_ids, ["a-new-one"]]).astype(object)
    histories = histories_of(catalogue, [[1, 2, 3], [40], []])
    lists = extended.decoding("exact").recommend(histories, k=41, exclude_seen=False)
    assert (lists.items == 40).any(axis=1).all()
    old = arm.decoding("exact").recommend(histories, k=40, exclude_seen=False)
    for row in (0, 2):  # histories that do not name the new item
        before = dict(zip(old.items[row].tolist(), old.scores[row].tolist(), strict=True))
        after = dict(zip(lists.items[row].tolist(), lists.scores[row].tolist(), strict=True))
        same_prefix = np.flatnonzero((codes[:, :2] == codes[7, :2]).all(axis=1))
        for item in set(range(40)) - set(same_prefix.tolist()):
            assert after[item] == pytest.approx(before[item], abs=1e-4)


@pytest.mark.parametrize("kind", ["mmgrec", "tiger"])
def test_new_items_of_one_prefix_beyond_the_collision_table_stay_apart(kind, tmp_path):
    """A fitted table: every token is 0. Nine items of one prefix come, tokens 1 to 9, the table has eight rows.

    Each has a leaf and a place of its own, never twice, seen ones left out; saved and loaded too.
    """
    torch.set_num_threads(1)
    sequences, names = circling(30, 16, 10, seed=0), item_names(16)
    known = np.column_stack([np.arange(16) // 4, np.arange(16) % 4])
    table = with_collision_tokens(names, known, np.zeros(16, dtype=np.int64))
    assert (table.codes[:, 2] == 0).all()
    new = np.array([f"n{number}" for number in range(9)], dtype=object)
    longer = append(table, new, np.tile(known[5], (9, 1)))
    assert longer.codes[16:, 2].tolist() == list(range(1, 10))

    sizes = [8, 8, 8]
    arm = (
        train_mmgrec(sequences, table.codes, SMALL, seed=0, num_codes=sizes)
        if kind == "mmgrec"
        else train_tiger(sequences, table.codes, SMALL_TIGER, seed=0, num_codes=sizes)
    )
    grown = arm.with_ids(longer.item_ids, longer.codes)
    grown.save(tmp_path)
    histories = histories_of(longer.item_ids, [[3, 4], [16, 17], [24], []])
    for way in (grown, grown.decoding("exact"), load_arm(tmp_path)):
        lists = way.recommend(histories, k=25).items
        assert sorted(lists[3]) == list(range(25))
        assert sorted(lists[1]) == [-1, -1, *range(16), *range(18, 25)]
        assert np.isfinite(way.recommend(histories, k=20).scores).all()


def test_a_new_item_in_collision_is_what_its_codes_say():
    """Its twin's vector without the twin's own part: no row that was never learned comes into it."""
    torch.set_num_threads(1)
    sequences, names = circling(30, 16, 10, seed=0), item_names(16)
    codes = np.column_stack([np.arange(16) // 4, np.arange(16) % 4, np.zeros(16, dtype=np.int64)])
    arm = train_mmgrec(sequences, codes, SMALL, seed=0, num_codes=[8, 8, 8])
    grown = arm.with_ids(np.array(["new"], dtype=object), np.array([[*codes[5, :2], 3]]))
    vectors, free = grown.network.items(), grown.network.items.free
    assert grown.vocabulary.item_ids.tolist() == [*names, "new"]
    torch.testing.assert_close(vectors[16], vectors[5] - free[5])
    assert (free[16] == 0).all()


def test_an_extended_arm_is_saved_whole(tmp_path):
    arm = trained_arm(40)
    extended = arm.with_ids(np.array(["new"], dtype=object), np.array([[0, 0, 30]]))
    extended.save(tmp_path)
    histories = histories_of(extended.vocabulary.item_ids, [[1, 2], [40, 5]])
    wanted, got = extended.recommend(histories, k=10), load_arm(tmp_path).recommend(histories, k=10)
    np.testing.assert_array_equal(wanted.items, got.items)


def test_new_codes_must_fit():
    arm = trained_arm(40)
    new = np.array(["new"], dtype=object)
    with pytest.raises(CodeOutOfRange, match="'new' has code 99 at level 1"):
        arm.with_ids(new, np.array([[0, 99, 0]]))
    with pytest.raises(DuplicateTuple):
        arm.with_ids(new, arm.vocabulary.codes[:1])
    with pytest.raises(ValueError, match="item 'new' comes 2 times"):
        arm.with_ids(np.array(["new", "new"], dtype=object), np.array([[0, 0, 30], [0, 0, 31]]))
    with pytest.raises(ValueError, match="2 rows of codes for 1 items"):
        arm.with_ids(new, np.array([[0, 0, 30], [0, 0, 31]]))
    with pytest.raises(ValueError, match="'i003' has other codes"):
        arm.with_ids(np.array(["i003"], dtype=object), arm.vocabulary.codes[3:4] + 1)


def test_cold_items_get_a_likelihood_from_training_on_others():
    """Items without events are no negatives: one whose codes are all known can be ranked, and has no own vector."""
    torch.set_num_threads(1)
    sequences = circling(30, 20, 10, seed=0)
    names = np.concatenate([sequences.item_ids, ["z-cold"]]).astype(object)
    wider = replace_vocabulary(sequences, names)
    codes = np.concatenate([tuples(20, width=3, seed=0), [[0, 1, 9]]])
    arm = train_mmgrec(wider, codes, SMALL, seed=0)
    assert arm.network.items.free is not None
    assert (arm.network.items.free[20] == 0).all()
    ranked = arm.decoding("exact").recommend(histories_of(names, [[0, 1]]), k=21, exclude_seen=False)
    assert np.isfinite(ranked.scores[0][ranked.items[0] == 20]).all()
    assert 20 in ranked.items[0]


def replace_vocabulary(sequences: TrainingSequences, item_ids: np.ndarray) -> TrainingSequences:
    return TrainingSequences(
        item_ids=item_ids, items=sequences.items, times=sequences.times, offsets=sequences.offsets
    )


@pytest.mark.parametrize(
    "lists",
    [
        [["a"]],  # one item, one user, one event
        [["a", "b"]],
        [["a"], ["b"], ["c"]],  # users with one event
        [["a", "b", "c"] * 400],  # one long user, and a catalogue far smaller than any codebook
    ],
)
@pytest.mark.parametrize("validation", ["time", "last", "none"])
def test_tiny_worlds(lists, validation):
    """Trains, and the empty history gets the learned prior."""
    sequences = TrainingSequences.from_lists(lists)
    codes = np.stack([np.arange(sequences.num_items), np.zeros(sequences.num_items, dtype=np.int64)], axis=1)
    config = replace(SMALL, training=replace(SHORT, validation=validation, epochs=1))
    arm = train_mmgrec(sequences, codes, config, seed=0)
    ranked = arm.recommend(histories_of(sequences.item_ids, [[], [0]]), k=3)
    assert set(ranked.items[0]) - {-1} == set(range(sequences.num_items))
    assert 0 not in ranked.items[1]


def test_codes_must_match_the_items():
    sequences = TrainingSequences.from_lists([["a", "b"]])
    with pytest.raises(ValueError, match="3 rows of codes for 2 items"):
        train_mmgrec(sequences, np.zeros((3, 2), dtype=np.int64), SMALL, seed=0)
