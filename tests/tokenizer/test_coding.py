"""Item vectors cut into codes: spare codes are nobody's, moved items are counted, figures are arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.compute import ON_CPU
from components.tokenizer.autoencoder import Autoencoder
from components.tokenizer.coding import LatentSpace, give_codes, latent_space
from components.tokenizer.config import TokenizerConfig, quick
from components.tokenizer.quantizer import quantize
from components.tokenizer.reproducible import reproducible

KMEANS = replace(quick(), kind="residual_kmeans", latent_dim=2)


def _coded(x: torch.Tensor, config: TokenizerConfig):
    steps: list[tuple[int, float]] = []
    with reproducible(config.seed) as generator:
        space = latent_space(x, config, generator, lambda *step: steps.append(step), ON_CPU)
        return space, give_codes(space, x, config, generator), steps


def _as_it_is(dim: int, codebooks: torch.Tensor, size: int) -> LatentSpace:
    """A latent space that is the space of the vectors itself, with these codebooks in it."""
    autoencoder = Autoencoder(dim, (), dim)
    with torch.no_grad():
        for layer in (autoencoder.encode[0], autoencoder.decode[0]):
            layer.weight.copy_(torch.eye(dim))
            layer.bias.zero_()
    return LatentSpace(autoencoder=autoencoder, codebooks=codebooks, size=size)


def test_worked_example():
    """Codes 0 and 8, then 0 and 1. 9 is 8 + 1 → (1, 1); 8.2 is nearest 8 + 0 → (1, 0); 0 is (0, 0). Decoded: 9, 8, 0.

    The first level sees three different vectors, but has two codes; the second sees 1, .2 and 0.
    """
    config = replace(KMEANS, num_levels=2, codebook_size=2, balance=0.0, spread_collisions=True)
    space = _as_it_is(1, torch.tensor([[[0.0], [8.0]], [[0.0], [1.0]]]), 2)
    coded = give_codes(space, torch.tensor([[9.0], [8.2], [0.0]]), config, torch.Generator())
    assert coded.codes.tolist() == coded.nearest.tolist() == [[1, 1], [1, 0], [0, 0]]
    assert coded.decoded.flatten().tolist() == [9.0, 8.0, 0.0]
    assert (coded.num_moved, coded.reachable) == (0, [2, 2])


def test_of_two_items_of_one_tuple_the_farther_moves():
    """8.0 and 8.3 both are (1, 0); 8.3 lies farther from 8 and takes the free code 1. Unspread, both stay."""
    space = _as_it_is(1, torch.tensor([[[0.0], [8.0]], [[0.0], [1.0]]]), 2)
    config = replace(KMEANS, num_levels=2, codebook_size=2, balance=0.0)
    x = torch.tensor([[8.3], [8.0]])
    spread = give_codes(space, x, config, torch.Generator())
    assert (spread.codes.tolist(), spread.num_moved) == ([[1, 1], [1, 0]], 1)
    assert spread.nearest.tolist() == [[1, 0], [1, 0]]
    plain = give_codes(space, x, replace(config, spread_collisions=False), torch.Generator())
    assert (plain.codes.tolist(), plain.num_moved) == ([[1, 0], [1, 0]], 0)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), items=st.integers(1, 12), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_the_rest_of_the_codebook_is_parked_where_no_vector_is_nearest(seed, items, scale):
    """16 codes for at most 12 items: a latent up to ten times as far out as any of theirs is given a code in use."""
    generator = torch.Generator().manual_seed(seed)
    x = scale * torch.randn(items, 3, generator=generator)
    space, coded, _ = _coded(x, replace(KMEANS, codebook_size=16))
    assert coded.codebooks.shape == (3, 16, 2)
    assert torch.isfinite(coded.codebooks).all()
    assert space.size <= items
    with torch.no_grad():
        reach = space.autoencoder.encode(x).abs().max()
    near = reach * (2 * torch.rand(50, 2, generator=generator) - 1)
    later = torch.cat([near / 10, near, near * 10])
    assert quantize(later, coded.codebooks).codes.max() < space.size


def test_no_level_starts_with_more_codes_than_there_are_different_items():
    """40 rows, 3 of them different: 3 codes, and what is left after the first level is rounding: 1 to reach."""
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).repeat(14, 1)[:40]
    space, coded, _ = _coded(x, replace(KMEANS, codebook_size=16, balance=0.0))
    assert space.size == 3
    assert coded.reachable == [3, 1, 1]
    assert len(np.unique(coded.nearest[:, 0])) == 3


@pytest.mark.parametrize(
    ("kind", "steps", "trains_codebooks"),
    [("graph_rqvae", 60, True), ("fsq", 60, True), ("residual_kmeans", 0, False), ("product", 0, False)],
)
def test_what_trains_hears_its_steps(kind, steps, trains_codebooks):
    x = torch.randn(30, 6, generator=torch.Generator().manual_seed(0))
    space, coded, heard = _coded(x, replace(quick(), kind=kind))
    assert [step for step, _ in heard] == list(range(steps))
    assert (space.codebooks is None) == (not trains_codebooks)
    assert coded.codes.shape == (30, 3)


@pytest.mark.parametrize("balance", [0.0, 0.05])
def test_residual_codes_tell_the_coarse_group_first(balance):
    """Four groups at the corners of a square, in each a square a tenth as wide: one code a group, then which corner."""
    corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    x = (10 * corners.unsqueeze(1) + corners).reshape(16, 2).repeat(5, 1)
    _, coded, _ = _coded(x, replace(KMEANS, num_levels=2, codebook_size=4, balance=balance))
    groups = torch.arange(80) % 16
    first, both = coded.nearest[:, 0], coded.nearest[:, 0] * 4 + coded.nearest[:, 1]
    assert len(set(zip((groups // 4).tolist(), first.tolist(), strict=True))) == 4
    assert len(set(zip(groups.tolist(), both.tolist(), strict=True))) == 16
    assert len(both.unique()) == 16
