"""RQ-VAE: the latent space in which item vectors are quantized, learned with its codebooks.

Source: Lee et al. 2022, arXiv:2203.01941; for semantic IDs, Rajput et al. 2023 (TIGER), arXiv:2305.05065.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from components.compute import ON_CPU, Compute
from components.tokenizer.autoencoder import Autoencoder, train_through
from components.tokenizer.config import TokenizerConfig
from components.tokenizer.quantizer import MovingCodebooks, codewords, fit_codebooks, quantize


def train_rqvae(
    autoencoder: Autoencoder,
    x: Float[Tensor, "item dim"],
    size: int,
    config: TokenizerConfig,
    generator: torch.Generator,
    on_step: Callable[[int, float], None],
    compute: Compute = ON_CPU,
) -> Float[Tensor, "level code latent"]:
    """Train the autoencoder through the quantizer (straight-through) and return the codebooks.

    Loss: squared reconstruction error of a vector, plus `commitment` × the squared distance of each level's
    residual to its codeword. The first tenth of the steps trains without the quantizer, so that the k-means
    start finds a latent space worth cutting. Distances to codes are float32 at every precision; what is random is
    drawn on the CPU, and autoencoder and codebooks are back there when this returns. Raises DeviceUnavailable,
    TrainingDiverged.
    """
    # a uniform start does not look at the latent space, so it has nothing to wait for
    warm_up = config.steps // 10 if config.kmeans_start else 0
    moving: MovingCodebooks | None = None

    def cut(step: int, latent: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal moving
        if step == warm_up:
            begin = _start(autoencoder, x.to(latent.device), size, config, generator)
            moving = MovingCodebooks(begin, config.ema_decay)
        if moving is None:
            return latent, latent.new_zeros(())
        codes = quantize(latent.detach(), moving.codebooks).codes
        words = codewords(codes, moving.codebooks)
        chosen = words.sum(dim=1)
        # level l sees the latent less the words above it; its distance to its own word is what is left then
        left = latent.unsqueeze(1) - words.cumsum(dim=1)
        commitment = left.square().sum(dim=2).mean(dim=0).sum()
        moving.follow(latent.detach(), codes)
        if config.revive_dead and step % 10 == 9:
            moving.revive(latent.detach(), codes, generator)
        # straight-through: the decoder sees the codewords, the encoder the gradient as if it had been seen itself
        return latent + (chosen - latent).detach(), config.commitment * commitment

    train_through(autoencoder, x, cut, config, generator, on_step, compute)
    assert moving is not None
    return moving.codebooks.cpu()


@torch.no_grad()
def _start(
    autoencoder: Autoencoder, x: Tensor, size: int, config: TokenizerConfig, generator: torch.Generator
) -> Float[Tensor, "level code dim"]:
    """On the device of `x`, found on the CPU."""
    if config.kmeans_start:
        found = fit_codebooks(
            autoencoder.encode(x).cpu(),
            None,
            num_levels=config.num_levels,
            size=size,
            balance=config.balance,
            generator=generator,
        )
        return found.to(x.device)
    shape = (config.num_levels, size, config.latent_dim)
    return ((torch.rand(shape, generator=generator) * 2 - 1) / size).to(x.device)
