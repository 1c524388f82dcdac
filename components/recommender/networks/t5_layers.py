"""Layers of T5 in plain torch: RMS norm, unscaled attention over shared keys and values, feed-forward.

Source: Raffel et al. 2020, arXiv:1910.10683, sections 2.1 and 3.1.

Shapes: B users, T encoder tokens, G rows of decoder tokens (a multiple of B), N new tokens, K tokens to attend to,
H heads, c head_dim, d dim.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from components.recommender.networks.fast_dropout import fast_dropout

NORM_EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True)
class EncoderDecoderConfig:
    """Widths and depths; dropout acts on embeddings, sublayers and hidden units, not on attention weights."""

    dim: int = 128
    num_heads: int = 4
    head_dim: int = 32
    hidden: int = 512
    num_encoder_layers: int = 4
    num_decoder_layers: int = 4
    dropout: float = 0.1
    num_buckets: int = 32  # of relative positions
    max_distance: int = 128  # tokens; farther ones share the last bucket

    def __post_init__(self) -> None:
        sizes = (self.dim, self.num_heads, self.head_dim, self.hidden)
        if min(*sizes, self.num_encoder_layers, self.num_decoder_layers) < 1:
            raise ValueError("dim, num_heads, head_dim, hidden and the numbers of layers must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it is a share, at least 0 and less than 1")


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the decoder reads of the encoder: keys and values of each decoder layer, one copy a user."""

    keys: list[Float[Tensor, "B H T c"]]
    values: list[Float[Tensor, "B H T c"]]
    bias: Float[Tensor, "B 1 1 T"] | None  # -inf at padding; None where nothing is padded

    def float(self) -> Memory:
        """In float32, whatever it was read in."""
        keys, values = [part.float() for part in self.keys], [part.float() for part in self.values]
        return Memory(keys=keys, values=values, bias=self.bias)


@dataclass(kw_only=True)
class Cache:
    """Keys and values of every decoder token so far, in the order in which they were read."""

    keys: Float[Tensor, "layer B H room c"]
    values: Float[Tensor, "layer B H room c"]
    used: int = 0


class RMSNorm(nn.Module):
    """Scale to a root mean square of one; no mean is subtracted, no bias added."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Float[Tensor, "* d"]) -> Float[Tensor, "* d"]:
        return F.rms_norm(x, self.weight.shape, self.weight, NORM_EPSILON)


def linear(rows_in: int, rows_out: int, std: float) -> nn.Linear:
    """Without bias, normal with the given deviation (T5's start depends on the layer's part)."""
    made = nn.Linear(rows_in, rows_out, bias=False)
    nn.init.normal_(made.weight, std=std)
    return made


def attend(
    q: Float[Tensor, "G H N c"],
    k: Float[Tensor, "G H K c"],
    v: Float[Tensor, "G H K c"],
    bias: Float[Tensor, "#G #H #N K"] | None,
) -> Float[Tensor, "G N H*c"]:
    """Attention without scaling; heads side by side. Faster here than the fused one, which is for long rows."""
    scores = q @ k.transpose(-1, -2)
    if bias is not None:
        scores += bias
    mixed = scores.softmax(dim=-1) @ v
    return mixed.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    def __init__(self, config: EncoderDecoderConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        inner = config.num_heads * config.head_dim
        self.norm = RMSNorm(config.dim)
        # scores are unscaled, so queries begin smaller by the root of a head's width
        self.qkv = linear(config.dim, 3 * inner, config.dim**-0.5)
        nn.init.normal_(self.qkv.weight[:inner].data, std=(config.dim * config.head_dim) ** -0.5)
        self.out = linear(inner, config.dim, inner**-0.5)

    def heads(
        self, x: Float[Tensor, "G N d"]
    ) -> tuple[Float[Tensor, "G H N c"], Float[Tensor, "G H N c"], Float[Tensor, "G H N c"]]:
        """Queries, keys and values of the normed input."""
        groups, places, _ = x.shape
        q, k, v = self.qkv(self.norm(x)).view(groups, places, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        return q, k, v


class CrossAttention(nn.Module):
    def __init__(self, config: EncoderDecoderConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        inner = config.num_heads * config.head_dim
        self.norm = RMSNorm(config.dim)
        self.query = linear(config.dim, inner, (config.dim * config.head_dim) ** -0.5)
        self.key_value = linear(config.dim, 2 * inner, config.dim**-0.5)
        self.out = linear(inner, config.dim, inner**-0.5)

    def forward(
        self,
        x: Float[Tensor, "G N d"],
        keys: Float[Tensor, "B H T c"],
        values: Float[Tensor, "B H T c"],
        bias: Float[Tensor, "B 1 1 T"] | None,
    ) -> Float[Tensor, "G N d"]:
        """G is a multiple of B: the groups of a user stand together and read the same keys and values."""
        q = self.query(self.norm(x)).view(len(keys), -1, self.num_heads, keys.shape[-1]).transpose(1, 2)
        return self.out(attend(q, keys, values, bias)).view(x.shape)


class FeedForward(nn.Module):
    def __init__(self, config: EncoderDecoderConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.norm = RMSNorm(config.dim)
        self.widen = linear(config.dim, config.hidden, config.dim**-0.5)
        self.narrow = linear(config.hidden, config.dim, config.hidden**-0.5)

    def forward(self, x: Float[Tensor, "* d"]) -> Float[Tensor, "* d"]:
        hidden = self.widen(self.norm(x)).relu_()
        return self.narrow(fast_dropout(hidden, self.dropout, self.training))


class EncoderLayer(nn.Module):
    def __init__(self, config: EncoderDecoderConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.attention, self.forward_part = SelfAttention(config), FeedForward(config)

    def forward(self, x: Float[Tensor, "B T d"], bias: Float[Tensor, "#B H T T"]) -> Float[Tensor, "B T d"]:
        q, k, v = self.attention.heads(x)
        x = x + fast_dropout(self.attention.out(attend(q, k, v, bias)), self.dropout, self.training)
        return x + fast_dropout(self.forward_part(x), self.dropout, self.training)


class DecoderLayer(nn.Module):
    def __init__(self, config: EncoderDecoderConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.attention, self.cross = SelfAttention(config), CrossAttention(config)
        self.forward_part = FeedForward(config)

    def memory(
        self, states: Float[Tensor, "B T d"]
    ) -> tuple[Float[Tensor, "B H T c"], Float[Tensor, "B H T c"]]:
        """Keys and values of the encoder's states."""
        users, places, _ = states.shape
        made = self.cross.key_value(states).view(users, places, 2, self.cross.num_heads, -1)
        keys, values = made.permute(2, 0, 3, 1, 4).contiguous()
        return keys, values

    def forward(
        self,
        x: Float[Tensor, "G N d"],
        bias: Float[Tensor, "#G H N K"],
        memory: Memory,
        depth: int,
        cache: Cache | None,
    ) -> Float[Tensor, "G N d"]:
        q, k, v = self.attention.heads(x)
        if cache is not None:
            used = cache.used + k.shape[2]
            cache.keys[depth][:, :, cache.used : used] = k
            cache.values[depth][:, :, cache.used : used] = v
            k, v = cache.keys[depth][:, :, :used], cache.values[depth][:, :, :used]
        x = x + fast_dropout(self.attention.out(attend(q, k, v, bias)), self.dropout, self.training)
        read = self.cross(x, memory.keys[depth], memory.values[depth], memory.bias)
        x = x + fast_dropout(read, self.dropout, self.training)
        return x + fast_dropout(self.forward_part(x), self.dropout, self.training)
