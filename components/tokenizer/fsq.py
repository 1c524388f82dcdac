"""Finite scalar quantization: latents in ±1, each rounded to a few evenly spaced values, and no codebook to learn.

Source: Mentzer et al. 2023, arXiv:2309.15505, section 3.1: bounded by tanh, rounded, straight-through. Each level of
the tuple has scalars of its own, as RecGPT's four tokens of an item (Jiang et al. 2025, arXiv:2506.06270). An even
number of values lies evenly about 0 here, where the published code shifts it by half a step, and latents are brought
to unit variance (batch norm) before tanh, which else may end where it is flat, with a few codes for all items.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from components.compute import ON_CPU, Compute
from components.tokenizer.autoencoder import Autoencoder, train_through
from components.tokenizer.config import TokenizerConfig, grid_sides


def grid_codebooks(num_levels: int, codebook_size: int) -> Float[Tensor, "level code latent"]:
    """Every point of a level's grid, the last scalar running fastest; 0 in the scalars of the other levels.

    So the nearest codeword of each level is the rounded latent, and the codewords of all levels add up to it.
    """
    axes = [torch.linspace(-1, 1, side) for side in grid_sides(codebook_size)]
    points = torch.cartesian_prod(*axes).reshape(-1, len(axes))
    codebooks = torch.zeros(num_levels, len(points), num_levels * len(axes))
    for level, codebook in enumerate(codebooks):
        codebook[:, level * len(axes) :][:, : len(axes)] = points
    return codebooks


def round_to_grid(
    latent: Float[Tensor, "item latent"], num_levels: int, codebook_size: int
) -> Float[Tensor, "item latent"]:
    """Each scalar of latents in ±1 at the nearest value that it may take."""
    steps = torch.tensor(grid_sides(codebook_size) * num_levels, device=latent.device) - 1
    return ((latent + 1) / 2 * steps).round() / steps * 2 - 1


def train_fsq(
    autoencoder: Autoencoder,
    x: Float[Tensor, "item dim"],
    codebook_size: int,
    config: TokenizerConfig,
    generator: torch.Generator,
    on_step: Callable[[int, float], None],
    compute: Compute = ON_CPU,
) -> Float[Tensor, "level code latent"]:
    """Train a bounded autoencoder through the rounding (straight-through) and return the grid as codebooks.

    Loss: squared reconstruction error of a vector, and nothing else: no commitment, no code to move or to revive.
    Raises DeviceUnavailable, TrainingDiverged.
    """
    last = autoencoder.decode[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        # from any other start latents first learn what all vectors have in common, and some values stay unused
        last.bias.copy_(x.mean(dim=0))

    def cut(step: int, latent: Tensor) -> tuple[Tensor, Tensor]:
        rounded = round_to_grid(latent, config.num_levels, codebook_size)
        return latent + (rounded - latent).detach(), latent.new_zeros(())

    train_through(autoencoder, x, cut, config, generator, on_step, compute)
    return grid_codebooks(config.num_levels, codebook_size)
