import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from components.recommender.networks.full_softmax import full_softmax_loss, sampled_softmax_loss


def block(targets: int, items: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(seed)
    states = (2 * torch.randn(targets, 6, generator=made)).requires_grad_()
    vectors = torch.randn(items, 6, generator=made).requires_grad_()
    return states, vectors, torch.randint(items, (targets,), generator=made)


@settings(max_examples=40, deadline=None)
@given(targets=st.integers(1, 200), items=st.integers(1, 50), seed=st.integers(0, 999))
def test_value_and_gradients_are_those_of_cross_entropy(targets, items, seed):
    """More targets than one piece of rows, an upstream gradient that is not one."""
    states, vectors, wanted = block(targets, items, seed)
    (3 * F.cross_entropy(states @ vectors.T, wanted)).backward()
    expected = states.grad, vectors.grad
    states.grad = vectors.grad = None
    loss = 3 * full_softmax_loss(states, vectors, wanted)
    loss.backward()
    torch.testing.assert_close(loss, 3 * F.cross_entropy(states @ vectors.T, wanted))
    for found, right in zip((states.grad, vectors.grad), expected, strict=True):
        torch.testing.assert_close(found, right, atol=1e-5, rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(targets=st.integers(2, 200), items=st.integers(2, 50), seed=st.integers(0, 999))
def test_a_weighted_loss_is_the_weighted_mean_and_weight_2_is_the_target_twice(targets, items, seed):
    """Weights 1, 2 and 3 by brute force: each target repeated as often; so value and both gradients."""
    states, vectors, wanted = block(targets, items, seed)
    weights = 1 + torch.arange(targets) % 3
    often = torch.arange(targets).repeat_interleave(weights)
    (3 * F.cross_entropy(states[often] @ vectors.T, wanted[often])).backward()
    expected = states.grad, vectors.grad
    each = F.cross_entropy(states @ vectors.T, wanted, reduction="none").detach()
    states.grad = vectors.grad = None
    loss = full_softmax_loss(states, vectors, wanted, weights.float())
    (3 * loss).backward()
    torch.testing.assert_close(loss.detach(), (weights * each).sum() / weights.sum())
    for found, right in zip((states.grad, vectors.grad), expected, strict=True):
        torch.testing.assert_close(found, right, atol=1e-5, rtol=1e-4)
    scaled = full_softmax_loss(states, vectors, wanted, 0.2 * weights.float())
    torch.testing.assert_close(scaled, loss)  # ratios alone matter
    with torch.no_grad():  # the way without a gradient of our own, and a GPU's
        torch.testing.assert_close(full_softmax_loss(states, vectors, wanted, weights.float()), loss)


def test_worked_example():
    """Scores 0, 0 and ln 2: the last has 2/4, so the loss is ln 2; its score's gradient is 1/2 - 1."""
    vectors = torch.tensor([[0.0], [0.0], [1.0]]).log1p().requires_grad_()
    states = torch.ones(1, 1, requires_grad=True)
    loss = full_softmax_loss(states, vectors, torch.tensor([2]))
    loss.backward()
    assert loss.item() == pytest.approx(torch.tensor(2.0).log().item())
    torch.testing.assert_close(vectors.grad, torch.tensor([[0.25], [0.25], [-0.5]]))


def test_sampling_estimates_the_partition_sum():
    """2,000 draws of 16 of 40 items: the mean partition sum is the full one within five standard errors."""
    states, vectors, wanted = (part.detach() for part in block(1, 40, 3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        losses = torch.stack(
            [sampled_softmax_loss(states, vectors, wanted, num_negatives=16) for _ in range(2000)]
        )
    score = (states @ vectors.T)[0, wanted[0]]
    sums = (losses + score).exp()
    full = (states @ vectors.T).exp().sum()
    # the target itself is left out of the draws, and counted once: 39/40 of its draws are other items
    others = full - score.exp()
    expected = score.exp() + others * 39 / 40
    assert sums.mean().item() == pytest.approx(expected.item(), abs=5 * sums.std().item() / 2000**0.5)
