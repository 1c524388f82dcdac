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

from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from components.recommender.codes.code_tokens import PADDING
from components.recommender.networks.fast_dropout import fast_dropout
from components.recommender.networks.relative_position import position_bucket
from components.recommender.networks.t5_layers import (
    Cache,
    DecoderLayer,
    EncoderDecoderConfig,
    EncoderLayer,
    Memory,
    RMSNorm,
)


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
        # one cache for the whole tree: what lies on another beam's path is closed here
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
