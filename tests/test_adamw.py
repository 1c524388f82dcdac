"""AdamW steps as PyTorch's does, and loads no compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from components.adamw import AdamW

ROOT = Path(__file__).resolve().parents[1]


def trained(kind: type[torch.optim.Optimizer], *, fused: bool) -> list[Tensor]:
    """Weights after ten steps, the last five by an optimizer that takes the state over from the first."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1))
    x, y = torch.randn(20, 5), torch.randn(20, 1)
    made = [kind(network.parameters(), lr=0.01, weight_decay=0.1, fused=fused) for _ in range(2)]
    for number, optimizer in enumerate(made):
        if number:
            optimizer.load_state_dict(made[0].state_dict())
        for _ in range(5):
            optimizer.zero_grad(set_to_none=True)
            (network(x) - y).square().mean().backward()
            optimizer.step()
    return [weight.detach() for weight in network.parameters()]


@pytest.mark.parametrize("fused", [False, True])
def test_weights_are_those_of_pytorchs_own_to_the_bit(fused: bool) -> None:
    ours, theirs = trained(AdamW, fused=fused), trained(torch.optim.AdamW, fused=fused)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_a_step_is_outside_of_what_gradients_are_made_of() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = AdamW([weight], lr=0.1)
    weight.sum().backward()
    optimizer.step()  # on a leaf that asks for gradients: refused where they are recorded
    assert weight.grad_fn is None
    assert torch.is_grad_enabled()


def test_a_process_that_trains_loads_no_compiler() -> None:
    """A tokenizer with its graph encoder and autoencoder, and a step as every arm takes it."""
    code = """
import sys
from torch import nn
from components.recommender.training.clipped_adamw import ClippedAdamW
from components.recommender.training.training_config import TrainingConfig
from components.tokenizer.config import quick
from components.tokenizer.fit import fit_tokenizer
from tests.tokenizer.planted import planted_catalogue

planted = planted_catalogue()
fit_tokenizer(*planted.part(slice(0, 160)), planted.edges, planted.num_users, quick())
network = nn.Linear(2, 1)
ClippedAdamW(network, TrainingConfig()).step(network.weight.sum(), num_steps=4, epoch=0)
print("torch.optim" in sys.modules, "torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "False"], done.stderr
