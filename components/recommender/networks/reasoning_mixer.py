"""A mixer that thinks on: after the pass over a history, steps of latent reasoning pass the same layers again.

A step is a block of places behind the history. What enters it is what the step before said (the first: the state at
the place that is asked about) and a learned vector of the step; it reads the history up to that place, the blocks
before it and itself, and its own places are averaged to what it says. So a step may look up what only the step before
has told it to look for, which one pass of as many layers cannot.

Source: Dai et al. 2025 (OnePiece), arXiv:2509.18091, block-wise latent reasoning. There the encoder reads both sides
and a block begins at the last states of several context tokens; here it is causal, so that a training step may ask at
any place, and a block begins at one state. As there, keys and values of what was read are kept, not computed anew.

Shapes: B histories, P places (a learned start, then the items), Q of them asked about, K steps, S places of a block,
h heads, d dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from components.recommender.networks.fast_dropout import fast_dropout
from components.recommender.networks.mixer import AttentionBlock, KeysValues, Mixer, MixerConfig


@dataclass(frozen=True, kw_only=True)
class Reasoning:
    """How far is thought on, where, and what a step is held to."""

    num_steps: int = 2  # the last one's state ranks
    block_size: int = 1  # places of a step
    asked: int = 8  # targets of a training window that are thought about, drawn anew each epoch
    horizon: int = 2  # next events, one of which the first step is held to; the last: the next one

    def __post_init__(self) -> None:
        if min(self.num_steps, self.block_size, self.asked, self.horizon) < 1:
            raise ValueError("num_steps, block_size, asked and horizon must be at least 1")


class ReasoningMixer(Mixer):
    """A causal mixer of plain attention whose states at some places pass its layers again, step by step."""

    def __init__(self, config: MixerConfig, reasoning: Reasoning) -> None:
        super().__init__(config)
        self.reasoning = reasoning
        self.steps = nn.Parameter(torch.randn(reasoning.num_steps, reasoning.block_size, config.dim) * 0.02)

    def thinking(
        self,
        vectors: Float[Tensor, "B P_minus_1 d"],
        times: Int[Tensor, "B P_minus_1"],
        asked: Int[Tensor, "B Q"],
    ) -> tuple[Float[Tensor, "B P d"], Float[Tensor, "B K Q d"]]:
        """The states of the pass over the history, and what each step says at the places that are asked about."""
        x = torch.cat([self.start.expand(len(vectors), 1, -1), vectors], dim=1)
        bias = self._bias(x.shape[1], times)
        x = fast_dropout(x, self.config.dropout, self.training)
        layers = cast(list[AttentionBlock], list(self.blocks))
        read: list[KeysValues] = []
        for block in layers:
            x, keys_values = block.after(x, None, bias)
            read.append(keys_values)
        states = self.norm(x)

        of_history, of_steps = self._bias_of_steps(x.shape[1], asked)
        rows = torch.arange(len(asked), device=asked.device)[:, None]
        thought = states[rows, asked][:, :, None]  # [B, Q, 1, d], later S in place of 1
        said = []
        for number, learned in enumerate(self.steps, start=1):
            x = (thought + learned).flatten(1, 2)
            bias = torch.cat([of_history] + number * [of_steps], dim=-1)
            for layer, block in enumerate(layers):
                x, read[layer] = block.after(x, read[layer], bias)
            thought = self.norm(x).unflatten(1, (asked.shape[1], len(learned)))
            said.append(thought.mean(dim=2))
        return states, torch.stack(said, dim=1)

    def _bias_of_steps(
        self, places: int, asked: Int[Tensor, "B Q"]
    ) -> tuple[Float[Tensor, "B h QS P"], Float[Tensor, "B h QS QS"]]:
        """What is added to the scores of a block's places: at the history as at the place asked about, and at a block.

        Blocks of another place that is asked about are hidden.
        """
        size = self.reasoning.block_size
        distance = asked[:, :, None] - torch.arange(places, device=asked.device)
        bias = torch.zeros(distance.shape, device=asked.device).masked_fill(distance < 0, -torch.inf)[:, None]
        bias = bias.expand(-1, self.config.num_heads, -1, -1)
        if self.config.position and self.position is not None:
            bias = bias + self.position[:, distance.clamp(min=0)].transpose(0, 1)
        place = torch.arange(asked.shape[1] * size, device=asked.device) // size
        others = torch.zeros(len(place), len(place), device=asked.device)
        others = others.masked_fill(place[:, None] != place, -torch.inf)
        return bias.repeat_interleave(size, dim=2), others.expand(*bias.shape[:2], -1, -1)
