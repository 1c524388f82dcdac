"""One step by hand, the schedule, and a loss that is no number."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from components.divergence import TrainingDiverged
from components.recommender.training.clipped_adamw import ClippedAdamW, schedule
from components.recommender.training.training_config import TrainingConfig

CONFIG = TrainingConfig(learning_rate=0.1, weight_decay=0.0, warmup_share=0.5, clip_norm=1.0)


def one_weight() -> nn.Linear:
    weight = nn.Linear(1, 1, bias=False)
    nn.init.ones_(weight.weight)
    return weight


def test_the_first_step_is_as_long_as_the_schedule_says():
    """Adam's first step has the gradient's sign and the length of the rate: .1, of which warm-up lets half. 1 - .05."""
    network = one_weight()
    optimizer = ClippedAdamW(network, CONFIG)
    value = optimizer.step(7 * network.weight.sum(), num_steps=4, epoch=0)
    assert (value, optimizer.steps) == (7.0, 1)
    assert network.weight.item() == pytest.approx(0.95, abs=1e-6)
    assert network.weight.grad.item() == pytest.approx(1.0, abs=1e-5)  # clipped from 7


def test_a_loss_that_no_weight_moves_is_a_step_all_the_same():
    network = one_weight()
    assert ClippedAdamW(network, CONFIG).step(torch.tensor(2.0), num_steps=4, epoch=0) == 2.0
    assert network.weight.item() == 1.0


def test_divergence_names_step_and_a_fix_from_outside():
    optimizer = ClippedAdamW(one_weight(), replace(CONFIG, learning_rate=3e-3))
    with pytest.raises(
        TrainingDiverged,
        match=r"loss is nan at step 1 of 4 \(epoch 3, learning rate 0\.003, .*RECLOOP_PRECISION.*--challenger",
    ):
        optimizer.step(torch.tensor(torch.nan), num_steps=4, epoch=2)


def test_schedule_rises_then_falls():
    """Ten steps, two of warm-up: 1/2, 1, then a cosine from 1 to 0 over eight."""
    shares = [schedule(step, 10, 0.2) for step in range(11)]
    assert shares[:3] == [0.5, 1.0, 1.0]
    assert shares[6] == pytest.approx(0.5)
    assert shares[10] == pytest.approx(0.0)
