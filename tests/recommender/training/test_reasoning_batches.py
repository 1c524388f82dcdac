"""Which targets are thought about, and that rows and places are theirs."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.dense_network import dense_network
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.networks.reasoning_mixer import Reasoning
from components.recommender.training.reasoning_batches import asking
from components.recommender.training.windows import cut_windows, known_before, window_batches
from tests.recommender.examples import SHORT, SMALL_MIXER, circling

ITEMS, LENGTH = 20, 7
MIXER = replace(SMALL_MIXER, relation_dim=0)


@settings(max_examples=25, deadline=None)
@given(
    most=st.integers(1, 9), num_steps=st.integers(1, 3), horizon=st.integers(1, 6), share=st.floats(0.2, 1.0),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_a_step_is_held_to_one_of_the_next_targets_of_its_window(most, num_steps, horizon, share, seed):
    """On a circle an item tells its place: what a step is held to lies less than its horizon ahead of the target."""
    rng = np.random.default_rng(seed)
    sequences = circling(9, ITEMS, LENGTH, seed=seed)
    reasoning = Reasoning(num_steps=num_steps, asked=most, horizon=horizon)
    config = DenseConfig(mixer=MIXER, training=SHORT, reasoning=reasoning)
    network = dense_network(vocabulary_of(sequences), config)
    windows = cut_windows(sequences, max_length=8, stride=8, rng=rng)
    is_target = rng.random(len(sequences.items)) < share
    batches = window_batches(
        sequences, windows, known=known_before(sequences, strict_time=True), is_target=is_target,
        batch_size=4, rng=rng,
    )  # fmt: skip
    for batch in asking(batches, network, rng):
        places, (num_windows, width) = batch.items.shape[1] + 1, batch.asked.shape
        row, at = np.divmod(batch.thought_at.numpy(), places + num_steps * width)
        step, slot = np.divmod(at - places, width)
        assert (step == np.arange(num_steps)[:, None]).all()
        assert (row == row[0]).all()
        assert (slot == slot[0]).all()
        # the last step is held to the next item: these are the targets that are thought about
        thought = batch.held_to[-1].numpy()
        assert len(np.unique(thought)) == len(thought)
        window, place = np.divmod(batch.state_at.numpy(), places)
        np.testing.assert_array_equal(window[thought], row[0])
        np.testing.assert_array_equal(batch.asked.numpy()[row[0], slot[0]], place[thought])
        in_window = np.bincount(window, minlength=num_windows)
        np.testing.assert_array_equal(np.bincount(row[0], minlength=num_windows), np.minimum(in_window, most))
        for held, ahead in zip(batch.held_to.numpy(), network.horizons(), strict=True):
            np.testing.assert_array_equal(window[held], row[0])
            assert ((held >= thought) & (held < thought + ahead)).all()


def test_every_target_has_its_turn_and_every_place_ahead():
    """40 epochs of one window of 7 targets, 2 of them a time, steps held up to 4 ahead."""
    sequences, rng = circling(1, ITEMS, LENGTH, seed=0), np.random.default_rng(0)
    config = DenseConfig(mixer=MIXER, training=SHORT, reasoning=Reasoning(asked=2, horizon=4))
    network = dense_network(vocabulary_of(sequences), config)
    thought, ahead = set(), set()
    for _ in range(40):
        windows = cut_windows(sequences, max_length=8, stride=8, rng=rng)
        batches = window_batches(
            sequences, windows, known=np.arange(LENGTH), is_target=np.ones(LENGTH, dtype=bool),
            batch_size=4, rng=rng,
        )  # fmt: skip
        for batch in asking(batches, network, rng):
            first, last = batch.held_to
            thought |= set(last.tolist())
            ahead |= set((first - last).tolist())
    assert thought == set(range(7))
    assert ahead == set(range(4))
    assert torch.equal(batch.to(torch.device("cpu")).asked, batch.asked)
