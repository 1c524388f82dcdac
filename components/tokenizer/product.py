"""Product codes: the latent space in parts, and in each part a k-means of its own; no code hangs on another.

Source: Ge et al. 2013, Optimized Product Quantization (CVPR), section 3.3: for parts that are Gaussian the best
rotation is the principal components, dealt out so that the parts have about the same product of variances. As
unordered semantic IDs: RPG, Hou et al. 2025, arXiv:2506.05781.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from components.tokenizer.autoencoder import Autoencoder, set_principal_components
from components.tokenizer.kmeans import kmeans, spread_start


def parts_of(latent_dim: int, num_parts: int) -> list[Int[Tensor, "own"]]:
    """Scalars of each part, one after the other; the first parts have one more where they do not come out even."""
    return list(torch.arange(latent_dim).tensor_split(num_parts))


def deal_out(variance: Float[Tensor, "latent"], num_parts: int) -> Int[Tensor, "latent"]:
    """Components in the order of the parts that they are dealt to.

    In descending order of variance, each goes to the part with the least product so far that has room (ties: the
    first part). Variances count in units of the least one above 0, so that a product never falls.
    """
    room = [len(own) for own in parts_of(len(variance), num_parts)]
    positive = variance[variance > 1e-12]
    unit = positive.min() if len(positive) else variance.new_ones(())
    weight = (variance / unit).clamp_min(1).log()
    dealt: list[list[int]] = [[] for _ in room]
    product = [0.0] * num_parts  # as a logarithm
    for component in variance.argsort(descending=True, stable=True).tolist():
        part = min((p for p in range(num_parts) if len(dealt[p]) < room[p]), key=lambda p: product[p])
        dealt[part].append(component)
        product[part] += float(weight[component])
    return torch.tensor([component for own in dealt for component in own])


@torch.no_grad()
def set_parts(autoencoder: Autoencoder, x: Float[Tensor, "item dim"], num_parts: int) -> None:
    """Make a linear autoencoder the projection on the leading principal components, dealt out to the parts."""
    set_principal_components(autoencoder, x)
    order = deal_out(autoencoder.encode(x).var(dim=0, correction=0), num_parts)
    encode, decode = autoencoder.encode[0], autoencoder.decode[0]
    assert isinstance(encode, nn.Linear)
    assert isinstance(decode, nn.Linear)
    encode.weight.copy_(encode.weight[order])
    encode.bias.copy_(encode.bias[order])
    decode.weight.copy_(decode.weight[:, order])


def fit_parts(
    x: Float[Tensor, "item dim"],
    *,
    num_parts: int,
    size: int,
    balance: float,
    generator: torch.Generator,
) -> Float[Tensor, "part code dim"]:
    """k-means of each part, from a k-means++ start; a codeword is 0 in the scalars of the other parts.

    So the residual quantizer gives each part the code that is nearest there, whatever the parts before it were given.
    `size` is at most the number of items.
    """
    codebooks = x.new_zeros((num_parts, size, x.shape[1]))
    for part, own in enumerate(parts_of(x.shape[1], num_parts)):
        codebooks[part][:, own] = kmeans(x[:, own], spread_start(x[:, own], size, generator), balance=balance)
    return codebooks
