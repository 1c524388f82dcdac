"""Cut item vectors into codes: a latent space, codebooks in it, and the codes of every item.

Shapes: both = an item's embedding beside its content, as `item_vectors` makes it; full = codebook size, parked
codes included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from components.compute import Compute
from components.tokenizer.collisions import spread_collisions
from components.tokenizer.config import TokenizerConfig, codebook_size_for
from components.tokenizer.kmeans import squared_distances
from components.tokenizer.quantizer import codewords, fit_codebooks, quantize
from components.tokenizer.rqvae import Autoencoder, set_principal_components, train_rqvae
from components.tokenizer.tokenizer import hidden_dims


@dataclass(frozen=True, kw_only=True)
class LatentSpace:
    """The space in which item vectors are cut into codes."""

    autoencoder: Autoencoder
    codebooks: Float[Tensor, "level code latent"] | None  # as training left them; None: nothing was trained
    size: int  # codes of a level that the items can fill; the rest of the codebook is parked


@dataclass(frozen=True, kw_only=True)
class Coded:
    codebooks: Float[Tensor, "level full latent"]
    codes: Int[Tensor, "item level"]  # as given
    nearest: Int[Tensor, "item level"]  # as they would be, had no item moved to a free last code
    num_moved: int
    decoded: Float[Tensor, "item both"]  # what the given codes stand for
    reachable: list[int]  # codes that each level could use


def latent_space(
    x: Float[Tensor, "item both"],
    config: TokenizerConfig,
    generator: torch.Generator,
    on_step: Callable[[int, float], None],
    compute: Compute,
) -> LatentSpace:
    """The latent space of the config's kind: learned with its codebooks, or the principal components.

    Raises DeviceUnavailable, TrainingDiverged.
    """
    # k-means++ draws codes from items, so no level starts with more codes than there are different items
    size = min(_full_size(config, len(x)), _distinct_rows(x))
    autoencoder = Autoencoder(x.shape[1], hidden_dims(config), config.latent_dim)
    if config.kind == "residual_kmeans":
        set_principal_components(autoencoder, x)
        return LatentSpace(autoencoder=autoencoder, codebooks=None, size=size)
    trained = train_rqvae(autoencoder, x, size, config, generator, on_step, compute)
    return LatentSpace(autoencoder=autoencoder, codebooks=trained, size=size)


@torch.no_grad()
def give_codes(
    space: LatentSpace,
    x: Float[Tensor, "item both"],
    config: TokenizerConfig,
    generator: torch.Generator,
) -> Coded:
    """Settle the codebooks on the final latent space, and give every item its codes."""
    latent = space.autoencoder.encode(x)
    start = space.codebooks
    # trained codebooks trail the encoder by their moving average, and are not balanced
    if start is None or config.balance > 0:
        start = fit_codebooks(
            latent, start, num_levels=config.num_levels, size=space.size, balance=config.balance, generator=generator
        )  # fmt: skip
    full_size = _full_size(config, len(x))
    codebooks = _with_parked_codes(start, latent, full_size)
    codes, moved = _codes_of(latent, codebooks, space.size, spread=config.spread_collisions)
    return Coded(
        codebooks=codebooks,
        codes=codes,
        nearest=quantize(latent, codebooks).codes,
        num_moved=len(moved),
        decoded=space.autoencoder.decode(codewords(codes, codebooks).sum(dim=1)),
        reachable=_reachable(latent, codebooks, full_size),
    )


def _full_size(config: TokenizerConfig, num_items: int) -> int:
    return config.codebook_size or codebook_size_for(num_items)


def _codes_of(
    latent: Tensor, codebooks: Tensor, size: int, *, spread: bool
) -> tuple[Int[Tensor, "item level"], Int[np.ndarray, "moved"]]:
    """Nearest codes; with `spread`, items of one tuple on different last codes where there are free ones."""
    found = quantize(latent, codebooks)
    if not spread:
        return found.codes, np.zeros(0, dtype=np.int64)
    # what the last level was asked to explain: its residual, and the codeword that was taken from it
    last_input = found.residual + codebooks[-1][found.codes[:, -1]]
    distance = squared_distances(last_input, codebooks[-1][:size])  # parked codes beyond `size` are nobody's
    codes, moved = spread_collisions(found.codes.numpy(), distance.numpy())
    return torch.from_numpy(codes), moved


def _with_parked_codes(
    codebooks: Float[Tensor, "level code dim"], latent: Tensor, full_size: int
) -> Float[Tensor, "level full dim"]:
    """Fill up to the full size with codewords so far out that no item is nearest to them."""
    # finite, so that distances to it are numbers, and far enough that none of them is ever the least
    far = 1e3 * (1 + float(latent.abs().max()))
    parked = torch.full((codebooks.shape[0], full_size - codebooks.shape[1], codebooks.shape[2]), far)
    return torch.cat([codebooks, parked], dim=1)


def _reachable(latent: Tensor, codebooks: Float[Tensor, "level code dim"], full_size: int) -> list[int]:
    """Codes that each level could use: no more than distinct vectors reach it."""
    residual, most = latent, []
    codes = quantize(latent, codebooks).codes
    for level, codebook in enumerate(codebooks):
        most.append(min(full_size, _distinct_rows(residual)))
        residual = residual - codebook[codes[:, level]]
    return most


def _distinct_rows(x: Float[Tensor, "item dim"]) -> int:
    """Rows that differ by more than float32 rounding of vectors of about length 1."""
    return len(torch.unique((x * 1e4).round(), dim=0))
