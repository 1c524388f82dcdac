"""The latent space in which item vectors are cut into codes: an autoencoder, set or trained through a quantizer."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from components.adamw import AdamW
from components.compute import Compute
from components.tokenizer.config import TokenizerConfig, grid_sides
from components.tokenizer.reproducible import finite_loss

# (step, latent [item latent]) → what the decoder sees instead, and what is added to the loss
Cut = Callable[[int, Tensor], tuple[Tensor, Tensor]]


class Autoencoder(nn.Module):
    """Item vector → latent → item vector. Without hidden layers both maps are linear; `bounded` keeps latents in ±1."""

    def __init__(
        self, dim: int, hidden_dims: tuple[int, ...], latent_dim: int, *, bounded: bool = False
    ) -> None:
        super().__init__()
        widths = [dim, *hidden_dims, latent_dim]
        self.encode = _mlp(widths)
        self.decode = _mlp(widths[::-1])
        if bounded:
            # about even over ±1, as tanh of a standard normal is; and never where tanh is flat and nothing is learned
            self.encode.append(nn.BatchNorm1d(latent_dim, affine=False))
            self.encode.append(nn.Tanh())


def autoencoder_for(config: TokenizerConfig, dim: int, codebook_size: int) -> Autoencoder:
    """The untrained autoencoder of the config's kind, for item vectors of width `dim`."""
    is_learned = config.kind in ("graph_rqvae", "fsq")  # else principal components, a linear map
    hidden = config.hidden_dims if is_learned else ()
    return Autoencoder(dim, hidden, latent_dim(config, codebook_size), bounded=config.kind == "fsq")


def latent_dim(config: TokenizerConfig, codebook_size: int) -> int:
    """As configured; under fsq, the scalars that a codebook of this size has, at every level."""
    return config.num_levels * len(grid_sides(codebook_size)) if config.kind == "fsq" else config.latent_dim


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


def train_through(
    autoencoder: Autoencoder,
    x: Float[Tensor, "item dim"],
    cut: Cut,
    config: TokenizerConfig,
    generator: torch.Generator,
    on_step: Callable[[int, float], None],
    compute: Compute,
) -> None:
    """Train on the squared reconstruction error of batches, cut in between, and on what `cut` adds to it.

    `cut` is given float32 latents at every precision. Batches are drawn on the CPU, and the autoencoder is back there
    when this returns. Raises DeviceUnavailable, TrainingDiverged.
    """
    device = compute.usable_device()
    autoencoder.to(device).train(len(x) > 1)  # one item has no spread to be normalised by
    x = x.to(device)
    optimizer = AdamW(autoencoder.parameters(), lr=config.learning_rate, weight_decay=1e-4)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, config.steps)
    for step in range(config.steps):
        drawn = torch.randint(len(x), (min(config.batch_size, len(x)),), generator=generator)
        batch = x[drawn.to(device)]
        with compute.autocast():
            latent = autoencoder.encode(batch)
        through, added = cut(step, latent.float())
        with compute.autocast():
            decoded = autoencoder.decode(through)
        loss = (decoded.float() - batch).square().sum(dim=1).mean() + added
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
        on_step(step, finite_loss(loss, "quantizer", step))
    autoencoder.to("cpu").eval()
