"""Batches of which some targets are thought about: which they are, and what each step is held to there.

Drawn with the batches, by the training's generator. A window's targets stand together, in the order of the events.

Shapes: W windows, P places, Q places of a window that are asked about, K steps, S targets that are thought about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from components.recommender.networks.reasoning_network import ReasoningNetwork
from components.recommender.training.windows import WindowBatch

ReadStates = Callable[..., Tensor]


def asking(
    batches: Iterable[WindowBatch], network: ReasoningNetwork, rng: np.random.Generator
) -> Iterator[WindowBatch]:
    """The batches with up to `asked` targets of each window to be thought about, and what steps are held to."""
    for batch in batches:
        yield _asked(batch, network.asked, network.horizons(), rng)


def _asked(batch: WindowBatch, most: int, horizons: list[int], rng: np.random.Generator) -> WindowBatch:
    places = batch.items.shape[1] + 1
    row, state = np.divmod(batch.state_at.numpy(), places)
    windows, first, count = np.unique(row, return_index=True, return_counts=True)
    # the most in a window by numbers drawn: its targets in random order, of which the first are taken
    order = np.lexsort((rng.random(len(row)), row))
    slot = np.arange(len(row)) - np.repeat(first, count)
    taken = slot < most
    thought, slot = order[taken], slot[taken]
    width = int(slot.max()) + 1
    asked = np.zeros((len(batch.items), width), dtype=np.int64)
    asked[row[thought], slot] = state[thought]

    left = (first + count)[np.searchsorted(windows, row[thought])] - thought  # targets from this one on
    held = [thought + rng.integers(0, np.minimum(horizon, left)) for horizon in horizons]
    steps = np.arange(len(horizons))[:, None]
    at = row[thought] * (places + len(horizons) * width) + places + steps * width + slot
    return replace(
        batch,
        asked=torch.from_numpy(asked),
        thought_at=torch.from_numpy(at),
        held_to=torch.from_numpy(np.stack(held)),
    )


def reasoning_loss(
    network: ReasoningNetwork, batch: WindowBatch, read_states: ReadStates
) -> Float[Tensor, ""]:
    """The network's loss on a batch: of the next items at every target, and of each step where one is asked about."""
    assert batch.asked is not None
    assert batch.thought_at is not None
    assert batch.held_to is not None
    vectors = network.items()
    states = read_states(vectors, batch.items, batch.times, batch.asked)
    places = batch.items.shape[1] + 1
    row, place = batch.state_at // places, batch.state_at % places
    return network.reasoned_loss(
        states, vectors, batch.targets, batch.weights,
        state_at=row * states.shape[1] + place, thought_at=batch.thought_at, held_to=batch.held_to,
    )  # fmt: skip
