"""Batches of which each has a preference over objectives, drawn anew, and the loss that is weighted by it.

Source: Wilm et al. 2024 (MultiTRON), arXiv:2407.16828: one preference a batch, from Dirichlet(beta, ..., beta). It is
drawn with the batches, so workers that share them share it.

Shapes: K objectives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from components.recommender.networks.preference_network import PreferenceNetwork
from components.recommender.training.windows import WindowBatch

ReadStates = Callable[..., Tensor]


def preferring(
    batches: Iterable[WindowBatch], network: PreferenceNetwork, rng: np.random.Generator
) -> Iterator[WindowBatch]:
    """The batches, each with a preference from Dirichlet(concentration) of the network."""
    beta = np.full(len(network.preference), network.concentration)
    for batch in batches:
        yield replace(batch, preference=torch.from_numpy(rng.dirichlet(beta).astype(np.float32)))


def preference_loss(
    network: PreferenceNetwork, batch: WindowBatch, read_states: ReadStates
) -> Float[Tensor, ""]:
    """The network's loss on a batch, its states read under the batch's preference."""
    assert batch.objectives is not None
    assert batch.preference is not None
    vectors = network.items()
    states = read_states(vectors, batch.items, batch.times, batch.preference).flatten(0, 1)[batch.state_at]
    return network.preferred_loss(
        states, vectors, batch.targets, batch.weights,
        objectives=batch.objectives, preference=batch.preference,
    )  # fmt: skip
