from dataclasses import replace

import numpy as np
import pytest
import torch

from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.mmgrec import MMGRecConfig, _network, train_mmgrec
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.networks.content_items import Content
from components.recommender.networks.mixer import MixerConfig
from components.recommender.presets import NEGATIVES_OF_MANY, default_sasrec, sized
from components.recommender.training import touched_items
from components.recommender.training.step import Step
from components.recommender.training.touched_items import TouchedItems
from components.recommender.training.training_config import WHOLE_BELOW
from components.recommender.training.windows import cut_windows, known_before, window_batches
from tests.recommender.examples import SHORT, SMALL, SMALL_MIXER, circling, content_of, histories_of, tuples

ITEMS = 40
CIRCLE = circling(30, ITEMS, 12, seed=0)
CODES = tuples(ITEMS, width=4, seed=0)
SAMPLED = replace(SMALL, num_negatives=8)


def batch():
    rng = np.random.default_rng(0)
    windows = cut_windows(CIRCLE, max_length=10, stride=5, rng=rng)
    known = known_before(CIRCLE, strict_time=True)
    every = np.ones(len(CIRCLE.items), dtype=bool)
    return next(iter(window_batches(CIRCLE, windows, known=known, is_target=every, batch_size=4, rng=rng)))


@pytest.mark.parametrize("free_vectors", [True, False])
def test_the_loss_and_its_gradients_are_those_of_the_whole_catalogue(free_vectors):
    """By the same draw of negatives; what no step touched has no gradient either way."""
    torch.manual_seed(0)
    config: MMGRecConfig = replace(SAMPLED, free_vectors=free_vectors)
    network = _network(vocabulary_of(CIRCLE, CODES), config).eval()
    one = batch()

    torch.manual_seed(5)
    vectors = network.items()
    states = network.states(vectors, one.items, one.times).flatten(0, 1)[one.state_at]
    whole = network.loss(states, vectors, one.targets, one.weights)
    wanted = torch.autograd.grad(whole, [network.items.tables, vectors])

    torch.manual_seed(5)
    touched = TouchedItems(network, weight_decay=0.01)
    loss = touched.loss(one, network.states)
    loss.backward()
    torch.testing.assert_close(loss, whole)
    torch.testing.assert_close(network.items.tables.grad, wanted[0], atol=1e-6, rtol=1e-4)
    if touched.rows is None:
        assert not free_vectors
        return
    assert touched.rows.rows is not None
    assert touched.rows.taken is not None
    torch.testing.assert_close(touched.rows.taken.grad, wanted[1][touched.rows.rows], atol=1e-6, rtol=1e-4)
    others = np.setdiff1d(np.arange(ITEMS), touched.rows.rows.numpy())
    assert len(others)
    assert not wanted[1][others].any()


def test_a_large_catalogue_learns_what_follows_what(monkeypatch: pytest.MonkeyPatch):
    """Of a circle the next item is known; a popular one is no answer. As the small path, by a tenth of the items."""
    monkeypatch.setattr(touched_items, "WHOLE_BELOW", 0)
    torch.set_num_threads(1)
    mixer = MixerConfig(**{**vars(SMALL_MIXER), "relation_dim": 0})
    config = DenseConfig(mixer=mixer, training=replace(SHORT, epochs=12), num_negatives=8)
    seen: list[Step] = []
    arm = train_dense("sasrec", CIRCLE, vocabulary_of(CIRCLE), config, seed=0, on_step=seen.append)
    ranked = arm.recommend(histories_of(CIRCLE.item_ids, [[3, 4, 5], [17, 18, 19]]), k=3)
    assert 6 in ranked.items[0]
    assert 20 in ranked.items[1]
    assert seen[-1].loss < 0.7 * seen[0].loss


@pytest.mark.parametrize("free_vectors", [True, False])
def test_a_large_catalogue_reads_content_of_what_it_touches(free_vectors, monkeypatch: pytest.MonkeyPatch):
    """A step projects the content of its own items alone, and the whole catalogue is settled at the end."""
    monkeypatch.setattr(touched_items, "WHOLE_BELOW", 0)
    torch.set_num_threads(1)
    config = DenseConfig(
        mixer=replace(SMALL_MIXER, relation_dim=0), training=replace(SHORT, epochs=12), num_negatives=8,
        content=Content(components=12), free_vectors=free_vectors,
    )  # fmt: skip
    told = content_of(CIRCLE.item_ids)
    vocabulary = vocabulary_of(CIRCLE, content=told)
    arm = train_dense("hstu_text", CIRCLE, vocabulary, config, seed=0, content=told)
    ranked = arm.recommend(histories_of(CIRCLE.item_ids, [[3, 4, 5], [17, 18, 19]]), k=5)
    assert 6 in ranked.items[0]
    assert 20 in ranked.items[1]


class Killed(Exception):
    pass


def test_a_training_that_was_cut_off_ends_in_the_same_weights(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(touched_items, "WHOLE_BELOW", 0)
    torch.set_num_threads(1)
    config = replace(SAMPLED, training=replace(SHORT, epochs=3))
    whole = train_mmgrec(CIRCLE, CODES, config, seed=1)

    def killed(step: Step) -> None:
        if step.epoch == 2:
            raise Killed

    checkpoint = tmp_path / "training.pt"
    with pytest.raises(Killed):
        train_mmgrec(CIRCLE, CODES, config, seed=1, checkpoint=checkpoint, on_step=killed)
    resumed = train_mmgrec(CIRCLE, CODES, config, seed=1, checkpoint=checkpoint)
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name]), name


def test_the_softmax_is_sampled_from_a_size_on():
    assert sized(default_sasrec(), WHOLE_BELOW - 1) == default_sasrec()
    assert sized(default_sasrec(), WHOLE_BELOW).num_negatives == NEGATIVES_OF_MANY
    assert sized(replace(default_sasrec(), num_negatives=7), WHOLE_BELOW).num_negatives == 7
