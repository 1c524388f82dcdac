from dataclasses import replace
from functools import partial
from unittest import mock

import numpy as np
import pytest
import torch

from components.compute import ON_CPU, Compute, DeviceUnavailable
from components.divergence import TrainingDiverged
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.mmgrec import MMGRecArm, MMGRecConfig, train_mmgrec
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.training.step import Step
from components.recommender.training.windows import cut_windows, window_batches
from tests.recommender.examples import SHORT, SMALL, SMALL_MIXER, circling, tuples

CIRCLE = circling(30, 20, 12, seed=0)
CODES = tuples(20, width=4, seed=0)
PINNED = [6.123545, 6.123502, 6.142442, 5.756097, 6.019507, 5.410836, 5.312493, 5.109538, 5.447336]


def losses(config: MMGRecConfig, seed: int, compute: Compute = ON_CPU) -> tuple[MMGRecArm, list[float]]:
    torch.set_num_threads(1)
    seen: list[Step] = []
    arm = train_mmgrec(CIRCLE, CODES, config, seed=seed, compute=compute, on_step=seen.append)
    assert [step.step for step in seen] == list(range(1, len(seen) + 1))
    return arm, [step.loss for step in seen]


def test_pinned_curve():
    """CPU, one thread, seed 0, dropout on. From noise, it starts near 2 ln 20 = 5.99: two uniform guesses."""
    config = replace(
        SMALL, mixer=replace(SMALL_MIXER, dropout=0.25), training=replace(SHORT, start_length=0.0)
    )
    _, curve = losses(config, 0)
    np.testing.assert_allclose(curve[:9], PINNED, rtol=2e-4)


def test_same_seed_same_weights():
    first, curve = losses(SMALL, 3)
    second, again = losses(SMALL, 3)
    _, other = losses(SMALL, 4)
    assert curve == again
    assert curve != other
    for name, weight in first.network.state_dict().items():
        assert torch.equal(weight, second.network.state_dict()[name])


class Killed(Exception):
    pass


def test_a_training_that_was_cut_off_ends_in_the_same_weights(tmp_path):
    """Cut in the middle of the third of five epochs: two are kept, and the rest gives the same bits."""
    config = replace(
        SMALL,
        mixer=replace(SMALL_MIXER, dropout=0.25),
        training=replace(SHORT, epochs=5, validation="last", evaluate_every=2),
    )
    whole, curve = losses(config, 0)
    path = tmp_path / "arm.pt"
    seen: list[Step] = []

    def until_the_third_epoch(step: Step) -> None:
        seen.append(step)
        if step.epoch == 2 and step.step % 3 == 1:
            raise Killed

    with pytest.raises(Killed):
        train_mmgrec(CIRCLE, CODES, config, seed=0, on_step=until_the_third_epoch, checkpoint=path)
    again: list[Step] = []
    resumed = train_mmgrec(CIRCLE, CODES, config, seed=0, on_step=again.append, checkpoint=path)
    assert again[0].epoch == 2
    assert [step.loss for step in again] == curve[again[0].step - 1 :]
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name])
    assert [file.name for file in tmp_path.iterdir()] == ["arm.pt"]


def test_bf16_learns_what_fp32_learns():
    """The same circle, matrix products in bfloat16: the loss falls as far, to rounding."""
    learned = replace(SMALL, training=replace(SHORT, epochs=6))
    _, exact = losses(learned, 0)
    _, rounded = losses(learned, 0, Compute(precision="bf16"))
    assert rounded != exact
    assert rounded[0] == pytest.approx(exact[0], rel=0.01)
    assert rounded[-1] == pytest.approx(exact[-1], rel=0.1)


def test_a_compiled_network_trains_the_same(monkeypatch: pytest.MonkeyPatch):
    """Traced whole, forward and backward, for batches of several lengths."""
    compiled_with = mock.Mock(side_effect=partial(torch.compile, backend="aot_eager"))
    monkeypatch.setattr(torch, "compile", compiled_with)
    short = replace(SMALL, training=replace(SHORT, epochs=1))
    _, plain = losses(short, 0)
    _, compiled = losses(short, 0, Compute(compile=True))
    compiled_with.assert_called_once()
    np.testing.assert_allclose(compiled, plain, rtol=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA GPU is here")
def test_a_missing_gpu_is_said():
    with pytest.raises(DeviceUnavailable, match="sees no CUDA GPU here: set RECLOOP_DEVICE=cpu"):
        train_mmgrec(CIRCLE, CODES, SMALL, seed=0, compute=Compute(device="cuda"))


def test_a_step_runs_whole_on_another_device():
    """Nothing of a training step stays behind on the CPU: forward, loss and gradients on the meta device."""
    network = train_mmgrec(CIRCLE, CODES, SMALL, seed=0).network.to("meta").train()
    windows = cut_windows(CIRCLE, max_length=8, stride=8, rng=np.random.default_rng(0))
    batch = next(
        window_batches(
            CIRCLE,
            windows,
            known=np.arange(len(CIRCLE.items)),
            is_target=np.ones(len(CIRCLE.items), dtype=bool),
            batch_size=4,
            rng=np.random.default_rng(0),
        )
    ).to(torch.device("meta"))
    vectors = network.items()
    states = network.states(vectors, batch.items, batch.times).flatten(0, 1)[batch.state_at]
    loss = network.loss(states, vectors, batch.targets)
    loss.backward()
    assert loss.device.type == "meta"
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpu_agrees_with_the_cpu():
    _, here = losses(SMALL, 0)
    _, there = losses(SMALL, 0, Compute(device="cuda"))
    np.testing.assert_allclose(there, here, rtol=1e-3)


def test_training_leaves_the_callers_randomness_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    losses(SMALL, 0)
    assert torch.equal(torch.rand(3), wanted)
    assert torch.get_float32_matmul_precision() == "highest"


def test_best_weights_are_kept_and_training_stops():
    """A learning rate that wrecks what was learned: the weights left are those of the best evaluation."""
    steps: list[Step] = []
    config = DenseConfig(
        mixer=replace(SMALL_MIXER, relation_dim=0),
        training=replace(
            SHORT, epochs=60, evaluate_every=1, patience=2, validation="last", learning_rate=3e-2
        ),
    )
    torch.set_num_threads(1)
    train_dense("sasrec", CIRCLE, vocabulary_of(CIRCLE), config, seed=0, on_step=steps.append)
    scores = [step.validation_ndcg for step in steps if step.validation_ndcg is not None]
    assert max(scores) > 0.9  # the circle is learned
    assert len(scores) < 60
    assert scores.index(max(scores)) == len(scores) - 1 - config.training.patience


def test_divergence_stops_the_training_by_name():
    config = replace(SMALL, training=replace(SHORT, learning_rate=1e30, clip_norm=1e30, epochs=20))
    with pytest.raises(TrainingDiverged, match=r"at step \d+ of \d+ .*--challenger"):
        train_mmgrec(CIRCLE, CODES, config, seed=0)


def test_config_is_checked():
    with pytest.raises(ValueError, match="precision is 'fp8'; it is 'fp32' or 'bf16'"):
        Compute(precision="fp8")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one of them is positive"):
        MMGRecConfig(tuple_weight=0, dense_weight=0)


def test_users_whose_events_all_weigh_nothing_make_no_step():
    """Three of thirty users have targets, in two or three windows each: two epochs of as many batches of one window."""
    weights = np.where(np.arange(len(CIRCLE.items)) < 36, 2.0, 0.0).astype(np.float32)
    config = DenseConfig(mixer=replace(SMALL_MIXER, relation_dim=0), training=replace(SHORT, batch_size=1))
    seen: list[Step] = []
    train_dense(
        "sasrec", replace(CIRCLE, weights=weights), vocabulary_of(CIRCLE), config, seed=0, on_step=seen.append
    )
    assert 2 * 3 * 2 <= len(seen) <= 2 * 3 * 3
    assert np.isfinite([step.loss for step in seen]).all()
