"""Product codes: components dealt out by hand, parts that do not hear each other, attributes read off single codes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from components.compute import ON_CPU
from components.tokenizer.coding import give_codes, latent_space
from components.tokenizer.config import TokenizerConfig, quick
from components.tokenizer.product import deal_out, fit_parts, parts_of
from components.tokenizer.quantizer import quantize
from components.tokenizer.reproducible import reproducible


@pytest.mark.parametrize(
    ("variance", "num_parts", "order"),
    [
        # in units of 1: 8 to the first part, 4 to the second, 2 to it too (4 < 8), 1 where there is room
        ([8.0, 4.0, 2.0, 1.0], 2, [0, 3, 1, 2]),
        ([1.0, 8.0, 2.0, 4.0], 2, [1, 0, 3, 2]),
        # below 1 they count in units of .01: 400 and 100, then 1 to the lesser
        ([0.01, 1.0, 4.0], 2, [2, 0, 1]),
        ([0.0, 0.0, 0.0], 3, [0, 1, 2]),
    ],
)
def test_components_are_dealt_out_by_hand(variance, num_parts, order):
    assert deal_out(torch.tensor(variance), num_parts).tolist() == order


def test_parts_that_do_not_come_out_even():
    assert [part.tolist() for part in parts_of(5, 3)] == [[0, 1], [2, 3], [4]]


def test_a_part_does_not_hear_the_others():
    """Codes of the first and the third part stay whatever stands in the second."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 6, generator=generator)
    books = fit_parts(x, num_parts=3, size=8, balance=0.05, generator=generator)
    changed = x.clone()
    changed[:, 2:4] += 5 * torch.randn(60, 2, generator=generator)
    before, after = quantize(x, books).codes, quantize(changed, books).codes
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert (before[:, 1] != after[:, 1]).any()


def _attributes() -> tuple[np.ndarray, torch.Tensor]:
    """All 64 items of three attributes with four values each [item 3], twice, turned into eight dimensions [item 8]."""
    told = np.array([*itertools.product(range(4), repeat=3)] * 2)
    flat = torch.tensor((told - 1.5) * [1.0, 0.9, 0.8], dtype=torch.float32)
    generator = torch.Generator().manual_seed(1)
    return told, flat @ torch.linalg.qr(torch.randn(8, 8, generator=generator)).Q[:3]


def _told_by(code: np.ndarray, attribute: np.ndarray) -> float:
    """Share of items whose attribute is the most frequent one of their code; .25 is chance."""
    most = sum(np.bincount(attribute[code == one]).max() for one in np.unique(code))
    return float(most / len(code))


def _codes(x: torch.Tensor, config: TokenizerConfig) -> np.ndarray:
    with reproducible(config.seed) as generator:
        space = latent_space(x, config, generator, lambda *_: None, ON_CPU)
        return give_codes(space, x, config, generator).nearest.numpy()


def test_independent_attributes_are_read_off_single_codes():
    """Each code tells one attribute and nothing of the others; a residual code mixes them."""
    attributes, x = _attributes()
    config = replace(quick(), kind="product", codebook_size=4, latent_dim=3)

    def told(codes: np.ndarray) -> np.ndarray:
        return np.array([[_told_by(code, own) for own in attributes.T] for code in codes.T])

    of_parts = told(_codes(x, config))
    assert sorted(map(tuple, of_parts), reverse=True) == [(1, 0.25, 0.25), (0.25, 1, 0.25), (0.25, 0.25, 1)]
    assert told(_codes(x, replace(config, kind="residual_kmeans"))).max() < 0.9
