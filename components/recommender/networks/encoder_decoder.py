"""A T5 encoder-decoder in plain torch, whose decoder reads the encoder's states once for many paths.

Numerically the network of Hugging Face's T5ForConditionalGeneration (ReLU, RMS norm, unscaled scores,
bucketed relative positions shared by all layers, tied embeddings). What differs is what is computed: the
encoder's keys and values are made once per user, however many beams read them, and the beams of a user form
a tree whose cached keys and values are never copied or reordered: a beam's ancestors are a mask.

Source: Raffel et al. 2020, arXiv:1910.10683, sections 2.1 and 3.1.

Shapes: B users, T encoder tokens, P paths of a user, S tokens of a path, N new tokens, K tokens to attend to,
H heads, c head_dim, d dim, V vocabulary (padding included).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from components.recommender.networks.fast_dropout import fast_dropout

PADDING = 0  # also the token that starts the decoder, as in T5
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


@dataclass(kw_only=True)
class Cache:
    """Keys and values of every decoder token so far, in the order in which they were read."""

    keys: Float[Tensor, "layer B H room c"]
    values: Float[Tensor, "layer B H room c"]
    used: int = 0


class EncoderDecoder(nn.Module):
    def __init__(self, config: EncoderDecoderConfig, vocabulary: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.randn(vocabulary, config.dim))
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_decoder_layers))
        self.encoder_norm, self.decoder_norm = RMSNorm(config.dim), RMSNorm(config.dim)
        scale = config.dim**-0.5
        self.encoder_position = nn.Parameter(torch.randn(config.num_buckets, config.num_heads) * scale)
        self.decoder_position = nn.Parameter(torch.randn(config.num_buckets, config.num_heads) * scale)

    def encode(self, tokens: Int[Tensor, "B T"]) -> Memory:
        """Read the histories; padding may stand on either side.

        A row of padding only (an empty history) is read as it is: all its states are equal, so how much of
        it there is does not matter.
        """
        is_real = tokens != PADDING
        is_real |= ~is_real.any(dim=1, keepdim=True)
        padding = None
        if (
            self.training or not is_real.all()
        ):  # in training unasked: the answer would stop a GPU and a compiler
            padding = torch.zeros(tokens.shape, device=tokens.device).masked_fill(~is_real, -torch.inf)
            padding = padding[:, None, None, :]
        at = torch.arange(tokens.shape[1], device=tokens.device)
        bias = self._position(self.encoder_position, at[None, :] - at[:, None], is_causal=False)[None]
        if padding is not None:
            bias = bias + padding
        x = self._drop(self.embedding[tokens])
        for layer in self.encoder:
            x = layer(x, bias)
        x = self._drop(self.encoder_norm(x))
        both = [cast(DecoderLayer, layer).memory(x) for layer in self.decoder]
        return Memory(keys=[keys for keys, _ in both], values=[values for _, values in both], bias=padding)

    def decode(self, memory: Memory, tokens: Int[Tensor, "B P S"]) -> Float[Tensor, "B P S d"]:
        """States after each token of each path (teacher forced): state s is what predicts token s + 1."""
        users, paths, length = tokens.shape
        at = torch.arange(length, device=tokens.device)
        distance = at[None, :] - at[:, None]
        bias = self._position(self.decoder_position, distance, is_causal=True)
        bias = bias.masked_fill(distance > 0, -torch.inf)[None]
        x = self._drop(self.embedding[tokens.reshape(users * paths, length)])
        for depth, layer in enumerate(self.decoder):
            x = layer(x, bias, memory, depth, None)
        return self._final(x).view(users, paths, length, -1)

    def new_cache(self, users: int, room: int) -> Cache:
        config = self.config
        shape = (config.num_decoder_layers, users, config.num_heads, room, config.head_dim)
        return Cache(keys=self.embedding.new_empty(shape), values=self.embedding.new_empty(shape))

    def extend(
        self,
        memory: Memory,
        cache: Cache,
        tokens: Int[Tensor, "B N"],
        is_ancestor: Bool[Tensor, "B N K"],
        steps_back: Int[Tensor, "K"],
    ) -> Float[Tensor, "B N d"]:
        """States of N new nodes of each user's tree, all of one depth; their keys and values join the cache.

        `is_ancestor` says which of the tokens read so far (the new ones last) lie on a node's own path,
        itself included; `steps_back` how far above the new depth each of them is.
        """
        bias = self._position(self.decoder_position, -steps_back[None, :], is_causal=True)[None]
        bias = torch.where(is_ancestor[:, None], bias, -torch.inf)
        x = self.embedding[tokens]
        for depth, layer in enumerate(self.decoder):
            x = layer(x, bias, memory, depth, cache)
        cache.used += tokens.shape[1]
        return self._final(x)

    def _final(self, x: Float[Tensor, "* d"]) -> Float[Tensor, "* d"]:
        """Ready for a product with `embedding`."""
        return self._drop(self.decoder_norm(x)) * self.config.dim**-0.5

    def _drop(self, x: Float[Tensor, "* d"]) -> Float[Tensor, "* d"]:
        return fast_dropout(x, self.config.dropout, self.training)

    def _position(
        self, table: Float[Tensor, "bucket H"], distance: Int[Tensor, "N K"], *, is_causal: bool
    ) -> Float[Tensor, "H N K"]:
        bucket = position_bucket(
            distance, self.config.num_buckets, self.config.max_distance, is_causal=is_causal
        )
        return table[bucket].permute(2, 0, 1)


def position_bucket(
    distance: Int[Tensor, "*"], num_buckets: int, max_distance: int, *, is_causal: bool
) -> Int[Tensor, "*"]:
    """Bucket of key position minus query position: near ones alone, farther ones in logarithmic steps.

    Causal attention spends all buckets on the past, the other half of them on each side.
    """
    bucket = torch.zeros_like(distance)
    if is_causal:
        far = (-distance).clamp(min=0)
    else:
        num_buckets //= 2
        bucket = (distance > 0) * num_buckets
        far = distance.abs()
    exact = num_buckets // 2
    share = torch.log(far.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    log_bucket = (exact + (share * (num_buckets - exact)).long()).clamp(max=num_buckets - 1)
    return bucket + torch.where(far < exact, far, log_bucket)


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
