"""What is held out, and the figure that stops a training."""

import numpy as np
import pytest
import torch

from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.sequences import TrainingSequences
from components.recommender.training.training_config import TrainingConfig
from components.recommender.training.validation import held_out, validation_ndcg, validation_targets
from components.recommender.training.windows import known_before
from tests.recommender.examples import SHORT, SMALL_MIXER, circling


def test_latest_events_are_held_out():
    made = TrainingSequences.from_lists([["a", "b", "c"], ["a", "b"]], [[1, 2, 30], [3, 40]])
    by_time = TrainingConfig(validation="time", validation_share=0.3)
    assert held_out(made, by_time).tolist() == [False, False, True, False, True]
    assert held_out(made, TrainingConfig(validation="last")).tolist() == [False, False, True, False, False]
    assert not held_out(made, TrainingConfig(validation="none")).any()


def test_nothing_is_held_out_of_one_moment():
    made = TrainingSequences.from_lists([["a", "b"]], [[1, 1]])
    assert not held_out(made, TrainingConfig(validation="time")).any()


def test_only_first_events_of_known_items_are_ranked():
    """Held out are c (never trained), b (had before) and b of another user; of these the last alone is asked."""
    made = TrainingSequences.from_lists([["a", "b", "c", "b"], ["a", "b"]], [[1, 2, 8, 9], [3, 8]])
    is_held_out = made.times >= 8
    targets = validation_targets(made, is_held_out, TrainingConfig(), np.random.default_rng(0))
    assert targets.tolist() == [5]
    few = TrainingConfig(max_validation_targets=2)
    everything = circling(9, 8, 8, seed=0)
    found = validation_targets(everything, np.arange(72) % 2 == 1, few, np.random.default_rng(0))
    assert len(found) == 2
    assert (np.diff(found) > 0).all()


def test_ndcg_of_a_rank_by_hand():
    """An arm's own list, seen items left out, has the target at some rank r: its NDCG@10 is 1 / log2(1 + r)."""
    torch.set_num_threads(1)
    sequences = circling(12, 15, 6, seed=0)
    arm = train_dense(
        "sasrec", sequences, vocabulary_of(sequences), DenseConfig(mixer=SMALL_MIXER, training=SHORT), seed=0
    )
    known = known_before(sequences, strict_time=True)
    for target in (5, 17, 40):
        ndcg = validation_ndcg(arm.network, sequences, np.array([target]), known, max_length=8)
        begin = sequences.offsets[sequences.user_of_event()[target]]
        seen, wanted = sequences.items[begin : known[target]], sequences.items[target]
        with torch.inference_mode():
            vectors = arm.network.items()
            read = torch.from_numpy(seen.astype(np.int64))[None]
            states = arm.network.states(
                vectors, read, torch.from_numpy(sequences.times[begin : known[target]])[None]
            )
            scores = (states[0, -1] @ vectors.T).numpy()
        scores[seen] = -np.inf
        rank = 1 + int((scores > scores[wanted]).sum())
        assert ndcg == pytest.approx(1 / np.log2(1 + rank) if rank <= 10 else 0.0)


def test_what_weighs_nothing_is_not_ranked_and_what_is_left_to_train_on_weighs_something():
    lists, times = [["a", "b", "c"], ["b", "c", "a"]], [[1, 2, 30], [1, 2, 30]]
    config = TrainingConfig(validation="time", validation_share=0.2)

    def ranked(weights: list[list[float]]) -> tuple[list[bool], list[int]]:
        made = TrainingSequences.from_lists(lists, times, weights=weights)
        is_held_out = held_out(made, config)
        return is_held_out.tolist(), validation_targets(
            made, is_held_out, config, np.random.default_rng(0)
        ).tolist()

    latest = [False, False, True] * 2
    assert ranked([[1, 1, 2], [1, 1, 1]]) == (latest, [2, 5])
    assert ranked([[1, 1, 0], [1, 1, 1]]) == (latest, [5])
    assert ranked([[0, 0, 1], [0, 0, 1]]) == ([False] * 6, [])  # held out, nothing would be left to learn
