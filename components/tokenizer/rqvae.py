"""RQ-VAE: the latent space in which item vectors are quantized, learned with its codebooks.

Source: Lee et al. 2022, arXiv:2203.01941; for semantic IDs, Rajput et al. 2023 (TIGER), arXiv:2305.05065.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from components.compute import ON_CPU, Compute
from components.tokenizer.config import TokenizerConfig
from components.tokenizer.quantizer import MovingCodebooks, codewords, fit_codebooks, quantize
from components.tokenizer.reproducible import finite_loss


class Autoencoder(nn.Module):
    """Item vector → latent → item vector. Without hidden layers both maps are linear."""

    def __init__(self, dim: int, hidden_dims: tuple[int, ...], latent_dim: int) -> None:
        super().__init__()
        widths = [dim, *hidden_dims, latent_dim]
        self.encode = _mlp(widths)
        self.decode = _mlp(widths[::-1])


def _mlp(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inner, outer in itertools.pairwise(widths):
        layers += [nn.Linear(inner, outer), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@torch.no_grad()
def set_principal_components(autoencoder: Autoencoder, x: Float[Tensor, "item dim"]) -> None:
    """Make a linear autoencoder the projection on the leading principal components, and back.

    Components that the data does not have (fewer items than latent dimensions) stay zero.
    """
    encode, decode = autoencoder.encode[0], autoencoder.decode[0]
    assert isinstance(encode, nn.Linear)
    assert isinstance(decode, nn.Linear)
    mean = x.mean(dim=0)
    axes = torch.linalg.svd(x - mean, full_matrices=False).Vh[: encode.out_features]
    # LAPACK may return either sign of an axis: the largest entry decides, so that every machine agrees
    axes = axes * torch.where(axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)) < 0, -1.0, 1.0)
    weight = F.pad(axes, (0, 0, 0, encode.out_features - len(axes)))
    encode.weight.copy_(weight)
    encode.bias.copy_(-weight @ mean)
    decode.weight.copy_(weight.T)
    decode.bias.copy_(mean)


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
    device = compute.usable_device()
    autoencoder.to(device)
    x = x.to(device)
    optimizer = torch.optim.AdamW(autoencoder.parameters(), lr=config.learning_rate, weight_decay=1e-4)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, config.steps)
    # a uniform start does not look at the latent space, so it has nothing to wait for
    warm_up = config.steps // 10 if config.kmeans_start else 0
    moving: MovingCodebooks | None = None
    for step in range(config.steps):
        drawn = torch.randint(len(x), (min(config.batch_size, len(x)),), generator=generator)
        batch = x[drawn.to(device)]
        if step == warm_up:
            moving = MovingCodebooks(_start(autoencoder, x, size, config, generator), config.ema_decay)
        with compute.autocast():
            latent = autoencoder.encode(batch)
        latent = latent.float()
        through, commitment = latent, latent.new_zeros(())
        if moving is not None:
            codes = quantize(latent.detach(), moving.codebooks).codes
            words = codewords(codes, moving.codebooks)
            chosen = words.sum(dim=1)
            # straight-through: the decoder sees the codewords, the encoder the gradient as if it had been seen itself
            through = latent + (chosen - latent).detach()
            # level l sees the latent less the words above it; its distance to its own word is what is left then
            left = latent.unsqueeze(1) - words.cumsum(dim=1)
            commitment = left.square().sum(dim=2).mean(dim=0).sum()
            moving.follow(latent.detach(), codes)
            if config.revive_dead and step % 10 == 9:
                moving.revive(latent.detach(), codes, generator)
        with compute.autocast():
            decoded = autoencoder.decode(through)
        loss = _squared_error(decoded.float(), batch) + config.commitment * commitment
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
        on_step(step, finite_loss(loss, "quantizer", step))
    assert moving is not None
    autoencoder.to("cpu")
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


def _squared_error(decoded: Tensor, x: Tensor) -> Tensor:
    return (decoded - x).square().sum(dim=1).mean()
