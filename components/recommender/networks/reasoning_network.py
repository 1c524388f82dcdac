"""A dense network that ranks by its last step of latent reasoning, and is held to something at each.

Source: Dai et al. 2025 (OnePiece), arXiv:2509.18091, progressive multi-task training. There a step is held to one of a
chain of feedback (exposure, click, order); a data set with one type of event has no such chain, so here the tasks go
from what comes soon to what comes next: step k of K is held to one of the next W events, drawn anew each time, where W
is horizon^((K - k) / (K - 1)) to the nearest whole number: of the last step 1. The state before all steps keeps
SASRec's loss, at every target.

Shapes: B histories, P places, Q of them asked about, K steps, T targets, S of them thought about.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.networks.mixer_networks import DenseNetwork
from components.recommender.networks.reasoning_mixer import ReasoningMixer


class ReasoningNetwork(DenseNetwork):
    """A dense network whose states at places that are asked about are thought on from."""

    mixer: ReasoningMixer

    def __init__(
        self,
        items: ItemEmbedding,
        mixer: ReasoningMixer,
        trained: Int[Tensor, "trained"],
        **against: Any,
    ) -> None:
        super().__init__(items, mixer, trained, **against)
        # plain numbers, which a checkpoint's key is made of
        self.asked, self.horizon = mixer.reasoning.asked, mixer.reasoning.horizon

    @property
    def reads_all_items(self) -> bool:
        """A step puts the vectors of all items together: each task draws negatives of its own."""
        return True

    def states(
        self,
        vectors: Float[Tensor, "item dim"],
        items: Int[Tensor, "B P_minus_1"],
        times: Int[Tensor, "B P_minus_1"],
        asked: Int[Tensor, "B Q"] | None = None,
    ) -> Float[Tensor, "B P_and_KQ dim"]:
        """The state at each place, then, step by step, what is thought at those that are asked about."""
        if asked is None:
            return self.mixer(vectors[items], times)
        states, thoughts = self.mixer.thinking(vectors[items], times, asked)
        return torch.cat([states, thoughts.flatten(1, 2)], dim=1)

    def last_states(
        self,
        vectors: Float[Tensor, "item dim"],
        items: Int[Tensor, "B P_minus_1"],
        times: Int[Tensor, "B P_minus_1"],
        length: Int[Tensor, "B"],
    ) -> Float[Tensor, "B dim"]:
        """What the last step says after the first `length` events of each history."""
        return self.mixer.thinking(vectors[items], times, length[:, None])[1][:, -1, 0]

    def horizons(self) -> list[int]:
        """Of each step, among how many of the next events is the one that it is held to."""
        steps = self.mixer.reasoning.num_steps
        return [round(self.horizon ** (after / max(steps - 1, 1))) for after in reversed(range(steps))]

    def reasoned_loss(
        self,
        states: Float[Tensor, "B P_and_KQ dim"],
        vectors: Float[Tensor, "item dim"],
        targets: Int[Tensor, "T"],
        weights: Float[Tensor, "T"] | None,
        *,
        state_at: Int[Tensor, "T"],
        thought_at: Int[Tensor, "K S"],
        held_to: Int[Tensor, "K S"],
    ) -> Float[Tensor, ""]:
        """Sum of the mean losses of the next items at every target and of each step's.

        `state_at` and `thought_at` are rows of the flattened states; `held_to` are places among the targets.
        """
        flat = states.flatten(0, 1)
        total = self.loss(flat[state_at], vectors, targets, weights)
        for at, held in zip(thought_at, held_to, strict=True):
            of_step = None if weights is None else weights[held]
            total = total + self.loss(flat[at], vectors, targets[held], of_step)
        return total
