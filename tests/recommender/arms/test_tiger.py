from dataclasses import replace
from functools import partial
from unittest import mock

import numpy as np
import pytest
import torch

from components.compute import ON_CPU, Compute, DeviceUnavailable
from components.divergence import TrainingDiverged
from components.recommender.arms.tiger import TigerConfig, train_tiger
from components.recommender.codes.trie import DuplicateTuple
from components.recommender.networks.tuple_likelihood import path_log_probs
from components.recommender.training.step import Step
from components.recommender.training.tiger_training import target_batches
from components.recommender.weights import CheckpointMismatch
from tests.recommender.examples import SMALL_TIGER, circling, histories_of, item_names, tuples

TRAINING = SMALL_TIGER.training
SMALL = replace(SMALL_TIGER, max_items=6)


def trained(config: TigerConfig, *, num_items: int = 20, users: int = 40, compute: Compute = ON_CPU):
    torch.set_num_threads(1)
    codes = tuples(num_items, width=3, seed=0)
    losses: list[float] = []
    arm = train_tiger(
        circling(users, num_items, 10, seed=0),
        codes,
        config,
        seed=0,
        compute=compute,
        on_step=lambda s: losses.append(s.loss),
    )
    return arm, losses


def test_learns_who_comes_next():
    """On a circle of 20 items both decoders put the next item first."""
    config = replace(SMALL, training=replace(TRAINING, epochs=20, learning_rate=1e-2, batch_size=16))
    arm, _ = trained(config, users=60)
    lists = [[(start + at) % 20 for at in range(5)] for start in range(20)]
    for decode in ("beam", "exact"):
        ranked = arm.decoding(decode).recommend(histories_of(item_names(20), lists), k=3)
        assert np.mean(ranked.items[:, 0] == (np.arange(20) + 5) % 20) >= 0.95, decode


def test_the_same_seed_gives_the_same_curve():
    first, second = trained(SMALL)[1], trained(SMALL)[1]
    assert first == second
    assert np.mean(first[-5:]) < np.mean(first[:5]) - 0.2


class Killed(Exception):
    pass


def test_a_training_that_was_cut_off_ends_in_the_same_weights(tmp_path):
    """Cut in the second of three epochs, dropout on: one is kept, and the rest gives the same bits."""
    config = replace(
        SMALL,
        network=replace(SMALL.network, dropout=0.2),
        training=replace(TRAINING, epochs=3, batch_size=64),
    )
    whole, curve = trained(config)
    path = tmp_path / "tiger.pt"
    codes, sequences = tuples(20, width=3, seed=0), circling(40, 20, 10, seed=0)

    def until_the_second_epoch(step: Step) -> None:
        if step.epoch == 1 and step.step % 5 == 3:
            raise Killed

    with pytest.raises(Killed):
        train_tiger(sequences, codes, config, seed=0, on_step=until_the_second_epoch, checkpoint=path)
    again: list[Step] = []
    resumed = train_tiger(sequences, codes, config, seed=0, on_step=again.append, checkpoint=path)
    assert again[0].epoch == 1
    assert [step.loss for step in again] == curve[again[0].step - 1 :]
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name])


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    """Another seed, other codes of the same items, another dropout: none goes on from this file."""
    path = tmp_path / "tiger.pt"
    codes, sequences = tuples(20, width=3, seed=0), circling(8, 20, 10, seed=0)
    train_tiger(sequences, codes, SMALL, seed=0, checkpoint=path)
    wetter = replace(SMALL, network=replace(SMALL.network, dropout=0.3))
    for seed, own, config in ((1, codes, SMALL), (0, codes[::-1].copy(), SMALL), (0, codes, wetter)):
        with pytest.raises(CheckpointMismatch, match="belongs to another training"):
            train_tiger(sequences, own, config, seed=seed, checkpoint=path)


def test_bf16_learns_what_fp32_learns():
    """The same circle, matrix products in bfloat16: the loss falls as far, to rounding."""
    config = replace(SMALL, training=replace(TRAINING, epochs=6))
    exact, rounded = trained(config)[1], trained(config, compute=Compute(precision="bf16"))[1]
    assert rounded != exact
    assert rounded[0] == pytest.approx(exact[0], rel=0.01)
    assert np.mean(rounded[-5:]) == pytest.approx(np.mean(exact[-5:]), rel=0.1)


def test_a_step_runs_whole_on_another_device():
    """Nothing of a training step stays behind on the CPU: forward, loss and gradients on the meta device."""
    arm, _ = trained(SMALL)
    meta = torch.device("meta")
    network = arm.network.to(meta).train()
    item_tokens = arm.tokens.of_codes(torch.from_numpy(arm.vocabulary.codes)).to(meta)
    trie = arm.trie.mapped(lambda tensor: tensor.to(meta))
    drawn = target_batches(
        circling(8, 20, 10, seed=0), replace(TRAINING, horizon=3), max_items=6, rng=np.random.default_rng(0)
    )
    batch = next(drawn).to(meta)
    memory = network.encode(arm.tokens.of_histories(item_tokens, batch.items, batch.length))
    log_p = path_log_probs(network, arm.tokens, trie, memory, batch.targets, "children")
    log_p.sum().backward()
    assert log_p.device.type == "meta"
    assert all(weight.grad is not None for weight in network.parameters())


def test_a_compiled_network_trains_the_same(monkeypatch: pytest.MonkeyPatch):
    """Traced whole, forward and backward, for batches of several lengths."""
    compiled_with = mock.Mock(side_effect=partial(torch.compile, backend="aot_eager"))
    monkeypatch.setattr(torch, "compile", compiled_with)
    short = replace(SMALL, training=replace(TRAINING, epochs=1))
    plain, compiled = trained(short)[1], trained(short, compute=Compute(compile=True))[1]
    compiled_with.assert_called_once()
    np.testing.assert_allclose(compiled, plain, rtol=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA GPU is here")
def test_a_missing_gpu_is_said():
    with pytest.raises(DeviceUnavailable, match="sees no CUDA GPU here: set RECLOOP_DEVICE=cpu"):
        trained(SMALL, compute=Compute(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpu_agrees_with_the_cpu():
    here, there = trained(SMALL)[1], trained(SMALL, compute=Compute(device="cuda"))[1]
    np.testing.assert_allclose(there, here, rtol=1e-3)


def test_over_the_vocabulary_it_learns_too_and_scores_real_items_only():
    """Most of the first loss is spent on tokens that name nothing; it falls by half, and lists hold items once."""
    arm, losses = trained(replace(SMALL, normalize="vocabulary", training=replace(TRAINING, epochs=6)))
    assert np.mean(losses[-5:]) < np.mean(losses[:3]) / 2
    ranked = arm.recommend(histories_of(item_names(20), [[1, 2], []]), k=20)
    assert sorted(ranked.items[1]) == list(range(20))
    assert sorted(ranked.items[0]) == [-1, -1, 0, *range(3, 20)]


def test_default_beam_equals_exact_scoring():
    """300 items under 177 prefixes, more than beams: likely and unlikely histories, 99.5 % of the top ten.

    A quarter of the beams loses a third of them, so it is the width that keeps the promise.
    """
    torch.set_num_threads(1)
    codes = tuples(300, width=16, seed=0)
    assert len(np.unique(codes[:, :2], axis=0)) > 2 * TigerConfig().beam_size
    config = replace(
        SMALL, training=replace(TRAINING, learning_rate=1e-2), max_items=8, beam_size=TigerConfig().beam_size
    )
    arm = train_tiger(circling(150, 300, 20, seed=0), codes, config, seed=0)
    rng = np.random.default_rng(0)
    likely = [((start + np.arange(6)) % 300).tolist() for start in rng.integers(0, 300, 60)]
    histories = histories_of(item_names(300), likely + [rng.integers(0, 300, 6).tolist() for _ in range(40)])
    exact = arm.decoding("exact").recommend(histories, k=10)
    beam = arm.decoding("beam").recommend(histories, k=10)
    assert np.mean(beam.items == exact.items) >= 0.995
    np.testing.assert_allclose(beam.scores, exact.scores, atol=1e-3)
    narrow = arm.decoding("beam", beam_size=20).recommend(histories, k=10)
    assert np.mean(narrow.items == exact.items) < 0.9


def test_a_beam_as_wide_as_the_catalogue_is_exact():
    arm, _ = trained(SMALL)
    rng = np.random.default_rng(0)
    histories = histories_of(item_names(20), [rng.integers(0, 20, n).tolist() for n in (0, 1, 3, 6, 9)])
    beam = arm.decoding("beam", beam_size=20).recommend(histories, k=10)
    exact = arm.decoding("exact").recommend(histories, k=10)
    np.testing.assert_array_equal(beam.items, exact.items)
    np.testing.assert_allclose(beam.scores, exact.scores, atol=1e-4)


def test_codes_must_fit_the_items():
    sequences = circling(5, 20, 10, seed=0)
    codes = tuples(20, width=3, seed=0)
    with pytest.raises(ValueError, match="19 rows of codes for 20 items"):
        train_tiger(sequences, codes[:19], SMALL, seed=0)
    codes[7] = codes[3]
    with pytest.raises(DuplicateTuple, match="items 3 and 7 share the tuple"):
        train_tiger(sequences, codes, SMALL, seed=0)


def test_a_diverging_loss_is_named():
    config = replace(SMALL, training=replace(TRAINING, learning_rate=1e30, clip_norm=1e30))
    with pytest.raises(TrainingDiverged, match=r"loss is .* at step \d+ of \d+ .*--challenger"):
        trained(config)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TigerConfig(beam_size=0), "max_items and beam_size must be at least 1"),
    ],
)
def test_config_is_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
