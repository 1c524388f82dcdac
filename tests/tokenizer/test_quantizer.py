"""Codewords and residual add up; codes stay alive."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.tokenizer.quantizer import MovingCodebooks, codewords, fit_codebooks, quantize


def _random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_worked_example():
    """9 is nearest 8, leaving 1; 1 is nearest 1, leaving 0."""
    q = quantize(torch.tensor([[9.0]]), torch.tensor([[[0.0], [8.0]], [[0.0], [1.0]]]))
    assert (q.codes.tolist(), q.residual.item()) == ([[1, 1]], 0.0)


def test_equally_near_codes_give_the_lower_number():
    """5 is as far from 4 as from 6."""
    assert quantize(torch.tensor([[5.0]]), torch.tensor([[[6.0], [4.0]]])).codes.tolist() == [[0]]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    items=st.integers(1, 40),
    levels=st.integers(1, 4),
    size=st.integers(1, 9),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_codewords_and_residual_add_up_to_the_input(seed, items, levels, size, scale):
    x, codebooks = scale * _random(seed, items, 5), scale * _random(seed + 1, levels, size, 5)
    q = quantize(x, codebooks)
    assert q.codes.shape == (items, levels)
    torch.testing.assert_close(
        codewords(q.codes, codebooks).sum(dim=1) + q.residual, x, rtol=1e-5, atol=1e-5 * scale
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 12))
def test_every_level_picks_the_nearest_codeword(seed, size):
    x, codebooks = _random(seed, 15, 4).double(), _random(seed + 1, 2, size, 4).double()
    q = quantize(x, codebooks)
    left = x
    for level in range(2):
        far = torch.cdist(left, codebooks[level], compute_mode="donot_use_mm_for_euclid_dist")
        own = far.gather(1, q.codes[:, level : level + 1])
        assert (own <= far.min(dim=1, keepdim=True).values + 1e-9).all()
        left = left - codebooks[level][q.codes[:, level]]


def test_balanced_codebooks_are_more_even_than_plain_ones():
    """One dense clump and a few far items: plain k-means spends its codes on the far ones."""
    x = torch.cat([0.1 * _random(0, 180, 3), 10 * _random(1, 20, 3)])
    entropy = {}
    for balance in (0.0, 0.05):
        generator = torch.Generator().manual_seed(0)
        books = fit_codebooks(x, None, num_levels=1, size=16, balance=balance, generator=generator)
        share = torch.bincount(quantize(x, books).codes[:, 0], minlength=16) / len(x)
        entropy[balance] = -(share * share.clamp_min(1e-9).log()).sum().item()
    assert entropy[0.05] > entropy[0.0] + 0.3


def test_dead_codes_are_revived_and_then_used():
    """Three of four codes start far from every item: without revival they are never chosen."""
    x = _random(0, 64, 3)
    far = torch.full((1, 3, 3), 50.0)
    used = {}
    for revive in (False, True):
        moving = MovingCodebooks(torch.cat([torch.zeros(1, 1, 3), far], dim=1), decay=0.5)
        generator = torch.Generator().manual_seed(0)
        revived = 0
        for _ in range(20):
            codes = quantize(x, moving.codebooks).codes
            moving.follow(x, codes)
            revived += moving.revive(x, codes, generator) if revive else 0
        used[revive] = len(quantize(x, moving.codebooks).codes.unique())
        assert (revived > 0) == revive
    assert used == {False: 1, True: 4}


def test_moving_codebooks_move_to_the_mean_of_their_items():
    """With decay 0 one step lands on the means: {1, 3} → 2 and {10} → 10."""
    moving = MovingCodebooks(torch.tensor([[[0.0], [11.0]]]), decay=0.0)
    x = torch.tensor([[1.0], [3.0], [10.0]])
    moving.follow(x, quantize(x, moving.codebooks).codes)
    np.testing.assert_allclose(moving.codebooks.flatten(), [2.0, 10.0], rtol=1e-6)
