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
from components.tokenizer.autoencoder import Autoencoder, autoencoder_for, set_principal_components
from components.tokenizer.collisions import spread_collisions
from components.tokenizer.config import TokenizerConfig, codebook_size_for
from components.tokenizer.fsq import train_fsq
from components.tokenizer.kmeans import squared_distances
from components.tokenizer.product import fit_parts, set_parts
from components.tokenizer.quantizer import codewords, fit_codebooks, quantize
from components.tokenizer.rqvae import train_rqvae


@dataclass(frozen=True, kw_only=True)
class LatentSpace:
    """The space in which item vectors are cut into codes."""

    autoencoder: Autoencoder
    codebooks: Float[Tensor, "level code latent"] | None  # as training left them; None: no training gives any
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
    full_size = _full_size(config, len(x))
    # k-means++ draws codes from items, so no level starts with more codes than there are different items
    size = min(full_size, _distinct_rows(x))
    autoencoder = autoencoder_for(config, x.shape[1], full_size)
    trained = None
    match config.kind:
        case "graph_rqvae":
            trained = train_rqvae(autoencoder, x, size, config, generator, on_step, compute)
        case "fsq":
            trained = train_fsq(autoencoder, x, full_size, config, generator, on_step, compute)
            size = trained.shape[1]  # the grid is there, whoever fills it
        case "residual_kmeans":
            set_principal_components(autoencoder, x)
        case "product":
            set_parts(autoencoder, x, config.num_levels)
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
    settled = _settled(space, latent, config, generator)
    codebooks = _with_parked_codes(settled, latent, _full_size(config, len(x)))
    codes, moved = _codes_of(latent, codebooks, space.size, spread=config.spread_collisions)
    return Coded(
        codebooks=codebooks,
        codes=codes,
        nearest=quantize(latent, codebooks).codes,
        num_moved=len(moved),
        decoded=space.autoencoder.decode(codewords(codes, codebooks).sum(dim=1)),
        reachable=_reachable(latent, settled),
    )


def _settled(
    space: LatentSpace, latent: Tensor, config: TokenizerConfig, generator: torch.Generator
) -> Float[Tensor, "level code latent"]:
    """The codebooks that belong to the final latents."""
    levels, size, balance, start = config.num_levels, space.size, config.balance, space.codebooks
    if config.kind == "product":
        return fit_parts(latent, num_parts=levels, size=size, balance=balance, generator=generator)
    # trained codebooks trail the encoder by their moving average, and are not balanced; a grid is as it is
    if start is None or (balance > 0 and config.kind != "fsq"):
        return fit_codebooks(
            latent, start, num_levels=levels, size=size, balance=balance, generator=generator
        )
    return start


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


def _reachable(latent: Tensor, codebooks: Float[Tensor, "level code dim"]) -> list[int]:
    """Codes that each level could use: no more than vectors reach it that differ where its codes do."""
    residual, most = latent, []
    codes = quantize(latent, codebooks).codes
    for level, codebook in enumerate(codebooks):
        differ = (codebook != codebook[0]).any(dim=0)
        most.append(min(len(codebook), _distinct_rows(residual * differ)))
        residual = residual - codebook[codes[:, level]]
    return most


def _distinct_rows(x: Float[Tensor, "item dim"]) -> int:
    """Rows that differ by more than float32 rounding of vectors of about length 1."""
    return len(torch.unique((x * 1e4).round(), dim=0))
