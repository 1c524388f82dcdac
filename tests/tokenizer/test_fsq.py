"""Finite scalar quantization: rounding by hand, and on a planted sheet no dead code and neighbouring codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.compute import ON_CPU
from components.tokenizer.coding import give_codes, latent_space
from components.tokenizer.config import TokenizerConfig, grid_sides, quick
from components.tokenizer.fsq import grid_codebooks, round_to_grid
from components.tokenizer.quantizer import codewords, quantize
from components.tokenizer.reproducible import reproducible


def test_worked_example():
    """Two levels of two scalars with 5 values each, -1 to 1 by halves.

    Level 1: .6 → .5, the fourth, and -.8 → -1, the first: code 3 · 5 + 0. Level 2: 0, the third, and .9 → 1, the
    fifth: code 2 · 5 + 4.
    """
    latent = torch.tensor([[0.6, -0.8, 0.0, 0.9]])
    assert round_to_grid(latent, 2, 25).tolist() == [[0.5, -1.0, 0.0, 1.0]]
    assert quantize(latent, grid_codebooks(2, 25)).codes.tolist() == [[15, 14]]


@settings(deadline=None)
@given(seed=st.integers(0, 1_000), levels=st.integers(1, 4), size=st.sampled_from([2, 4, 16, 25, 64, 128]))
def test_the_codewords_of_all_levels_add_up_to_the_rounded_latent(seed: int, levels: int, size: int):
    """What training rounds and what a frozen tokenizer looks up are the same, even numbers of values included."""
    grid = grid_codebooks(levels, size)
    assert grid.shape == (levels, np.prod(grid_sides(size)), levels * len(grid_sides(size)))
    latent = torch.rand(30, grid.shape[2], generator=torch.Generator().manual_seed(seed)) * 2 - 1
    rounded = round_to_grid(latent, levels, size)
    torch.testing.assert_close(codewords(quantize(latent, grid).codes, grid).sum(dim=1), rounded)
    assert (rounded - latent).abs().max() <= 1 / (min(grid_sides(size)) - 1) + 1e-6


def _sheet() -> tuple[torch.Tensor, torch.Tensor]:
    """600 points of a square [item 2], and the square turned in six dimensions [item 6]."""
    generator = torch.Generator().manual_seed(0)
    flat = torch.rand(600, 2, generator=generator) * 2 - 1
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator)).Q[:2]
    return flat, flat @ turn + 2  # away from 0, where codes that are not shown the data begin


def _codes(x: torch.Tensor, config: TokenizerConfig) -> np.ndarray:
    with reproducible(config.seed) as generator:
        space = latent_space(x, config, generator, lambda *_: None, ON_CPU)
        return give_codes(space, x, config, generator).nearest.numpy()


ONE_LEVEL = replace(
    quick(), num_levels=1, codebook_size=25, latent_dim=2, steps=600, learning_rate=1e-2,
    kmeans_start=False, revive_dead=False, balance=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def of_the_sheet() -> np.ndarray:
    return _codes(_sheet()[1], replace(ONE_LEVEL, kind="fsq"))[:, 0]


def test_no_code_is_dead_without_any_cure(of_the_sheet):
    """Where a codebook that starts in a corner, and is neither revived nor balanced, leaves most codes to nobody."""
    assert len(np.unique(of_the_sheet)) == 25
    learned = _codes(_sheet()[1], replace(ONE_LEVEL, kind="graph_rqvae"))[:, 0]
    assert len(np.unique(learned)) < 20


def test_neighbours_have_neighbouring_codes(of_the_sheet):
    """Of each point and the one nearest to it, codes lie within one step of each scalar; of any two they seldom do."""
    flat = _sheet()[0]
    apart = torch.cdist(flat, flat).fill_diagonal_(np.inf)
    place = np.stack([of_the_sheet // 5, of_the_sheet % 5], axis=1)

    def within_a_step(other: np.ndarray) -> float:
        return float((np.abs(place - place[other]).max(axis=1) <= 1).mean())

    assert within_a_step(apart.argmin(dim=1).numpy()) == 1.0
    assert within_a_step(np.random.default_rng(0).permutation(600)) < 0.5
