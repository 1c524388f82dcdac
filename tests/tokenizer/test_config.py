"""A configuration that cannot run is not built; one that can survives its manifest."""

from __future__ import annotations

import pytest

from components.tokenizer.config import (
    GraphConfig,
    TokenizerConfig,
    codebook_size_for,
    default,
    fsq,
    grid_sides,
    kmeans,
    paper,
    product,
    quick,
)


def test_codebook_size_follows_the_catalogue():
    """1.5 √1,700 = 62 → 64; 1.5 √12,101 = 165 → 256."""
    assert [codebook_size_for(n) for n in (0, 1, 1_700, 12_101, 10**9)] == [16, 16, 64, 256, 1024]


def test_sides_of_the_grid():
    """Five values at least where there are so many codes: 5 · 5 ≤ 25, 5 · 5 · 5 ≤ 128, 5 · 5 · 5 · 5 ≤ 1,024."""
    sizes = (2, 16, 25, 64, 128, 256, 1024)
    expected = [(2,), (16,), (5, 5), (8, 8), (5, 5, 5), (7, 6, 6), (8, 5, 5, 5)]
    assert [grid_sides(size) for size in sizes] == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_levels": 0}, "num_levels is 0"),
        ({"codebook_size": 1}, "codebook_size is 1"),
        ({"kind": "vq"}, "kind is 'vq'; it is one of graph_rqvae, residual_kmeans, fsq, product"),
        ({"kind": "product", "latent_dim": 2}, "latent_dim is 2; product codes need one for each of the 3"),
        ({"balance": -1.0}, "balance is -1"),
        ({"hidden_dims": (0,)}, "hidden_dims"),
        ({"ema_decay": 1.0}, "ema_decay"),
    ],
)
def test_a_config_that_cannot_run_is_not_built(changes, message):
    with pytest.raises(ValueError, match=message):
        TokenizerConfig(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factor_dim": 65}, "factor_dim is 65"),
        ({"edge_dropout": 1.0}, "edge_dropout is 1.0"),
        ({"edge_dropout": 0.0}, "no edge would be left"),
        ({"steps": 0}, "steps is 0"),
    ],
)
def test_a_graph_config_that_cannot_run_is_not_built(changes, message):
    with pytest.raises(ValueError, match=message):
        GraphConfig(**changes)


@pytest.mark.parametrize("preset", [default(), quick(), kmeans(), fsq(), product(), paper()])
def test_a_config_survives_json(preset):
    assert TokenizerConfig.from_dict(preset.to_dict()) == preset
