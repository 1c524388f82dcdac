"""A network that is told what it is to aim at: a preference over event types, each an objective of its own.

Source: Wilm et al. 2024 (MultiTRON), arXiv:2407.16828, and its authors' code: the preference enters at every place of
the input, and the loss is the sum of the objectives' losses, weighted by it, with a penalty where the weighted losses
are not alike, which spreads the front. The penalty is non-uniformity as Mahapatra and Rajan 2020 (EPO) have it: the KL
divergence of the weighted losses' shares from all the same. In that code preference and item vector pass one linear
layer; here the layer is of the preference alone and is added, so that the network begins where SASRec does.

Shapes: B histories, P places, T targets, K objectives.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from components.recommender.networks.item_embedding import ItemEmbedding
from components.recommender.networks.mixer import Mixer
from components.recommender.networks.mixer_networks import DenseNetwork

_LEAST = 1e-9  # where a preference is all of one objective the others' parts are 0, and a logarithm has no slope there


class PreferenceNetwork(DenseNetwork):
    """A dense network whose states depend on a preference: a training's is told step by step, else `preference`."""

    mixer: Mixer
    preference: Float[Tensor, "K"]

    def __init__(
        self,
        items: ItemEmbedding,
        mixer: Mixer,
        trained: Int[Tensor, "trained"],
        *,
        preference: Float[Tensor, "K"],
        penalty: float,
        concentration: float,
        num_negatives: int = 0,
        calibration: float | None = None,
    ) -> None:
        super().__init__(items, mixer, trained, num_negatives=num_negatives, calibration=calibration)
        self.penalty, self.concentration = penalty, concentration
        self.told = nn.Linear(len(preference), mixer.config.dim, bias=False)
        self.register_buffer("preference", preference, persistent=False)

    @property
    def reads_all_items(self) -> bool:
        """A step puts the vectors of all items together: each objective draws negatives of its own."""
        return True

    def states(
        self,
        vectors: Float[Tensor, "item dim"],
        items: Int[Tensor, "B P_minus_1"],
        times: Int[Tensor, "B P_minus_1"],
        preference: Float[Tensor, "K"] | None = None,
    ) -> Float[Tensor, "B P dim"]:
        told = self.told(self.preference if preference is None else preference)
        return self.mixer(vectors[items], times, added=told)

    def preferred_loss(
        self,
        states: Float[Tensor, "T dim"],
        vectors: Float[Tensor, "item dim"],
        targets: Int[Tensor, "T"],
        weights: Float[Tensor, "T"] | None,
        *,
        objectives: Int[Tensor, "T"],
        preference: Float[Tensor, "K"],
    ) -> Float[Tensor, ""]:
        """Sum over objectives with a target of preference x mean loss of its targets, and the penalty."""
        weighted = []
        for objective in objectives.unique().tolist():
            own = objectives == objective
            among = None if weights is None else weights[own]
            weighted.append(preference[objective] * self.loss(states[own], vectors, targets[own], among))
        parts = torch.stack(weighted)
        return parts.sum() + self.penalty * non_uniformity(parts)


def non_uniformity(parts: Float[Tensor, "K"]) -> Float[Tensor, ""]:
    """KL divergence of the parts' shares of their sum from all the same: 0 to log K, where one part is all.

    Parts are not negative.
    """
    shares = parts / parts.sum().clamp(min=_LEAST)
    return (shares * (shares * len(shares)).clamp(min=_LEAST).log()).sum()
