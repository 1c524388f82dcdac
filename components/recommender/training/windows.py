"""Windows over sequences: short runs of events, bucketed by length, every event a target once an epoch.

A window's history is a run of at most `max_length` events of one user; the mixer puts a learned start vector
before it, so state p is what is known after p events. A target is read from the state after the last event
that is earlier than it: with `strict_time`, in an earlier second (events of one second carry no order, and a
replay asks for them together), else simply the event before.

Shapes: W windows, P places of the longest (start included), T targets, K objectives or
steps of reasoning, S targets that are thought about, at Q places of a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.recommender.event_runs import flat_runs, pad_runs
from components.recommender.sequences import TrainingSequences

SHUFFLE_BATCHES = 32  # windows are sorted by length within this many batches: little padding, mixed users


@dataclass(frozen=True, kw_only=True)
class WindowBatch:
    """History of each window, padded on the right (causal attention never looks there)."""

    items: Int[Tensor, "W P_minus_1"]  # position in the vocabulary; padding is 0
    times: Int[Tensor, "W P_minus_1"]  # epoch seconds; padding repeats the last
    state_at: Int[Tensor, "T"]  # row of the flattened [W * P] states that predicts the target
    targets: Int[Tensor, "T"]  # position in the vocabulary
    weights: Float[Tensor, "T"] | None = None  # of each target's loss; None: all alike
    objectives: Int[Tensor, "T"] | None = None  # of each target, by its event's type; None: not told apart
    preference: Float[Tensor, "K"] | None = (
        None  # over objectives, of the step; None: the network has one alone
    )
    asked: Int[Tensor, "W Q"] | None = None  # places that are thought about; None: nothing is
    thought_at: Int[Tensor, "K S"] | None = None  # row of the flattened states, thoughts among them, a step
    held_to: Int[Tensor, "K S"] | None = None  # place among the targets of what a step is held to

    @property
    def total_weight(self) -> float:
        return float(len(self.targets) if self.weights is None else self.weights.double().sum())

    def rows(self, rank: int, world: int) -> WindowBatch:
        """The windows rank, rank + world, and so on, with their targets. Raises ValueError for one that asks on."""
        if self.asked is not None:
            raise ValueError(
                "a mean over drawn targets is not the mean of parts: reasoning trains in one process"
            )
        places = self.items.shape[1] + 1
        row, state = self.state_at // places, self.state_at % places
        kept = row % world == rank
        return WindowBatch(
            items=self.items[rank::world].clone(),
            times=self.times[rank::world].clone(),
            state_at=(row // world * places + state)[kept],
            targets=self.targets[kept],
            weights=None if self.weights is None else self.weights[kept],
            objectives=None if self.objectives is None else self.objectives[kept],
            preference=self.preference,
        )

    def to(self, device: torch.device) -> WindowBatch:
        moved: dict[str, Any] = {
            name: None if part is None else part.to(device) for name, part in vars(self).items()
        }
        return WindowBatch(**moved)


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows of events: history `first:end - 1`, targets among `begin:end` (flat positions)."""

    first: Int[np.ndarray, "W"]
    begin: Int[np.ndarray, "W"]
    end: Int[np.ndarray, "W"]
    opens: Bool[
        np.ndarray, "W"
    ]  # whether it starts where its user does: nothing lies before its start vector


def known_before(sequences: TrainingSequences, *, strict_time: bool) -> Int[np.ndarray, "event"]:
    """For each event the flat position up to which (exclusive) its user's history may be read."""
    position = np.arange(len(sequences.items))
    if not strict_time:
        return position
    # an event that opens a moment ends the history of all events of that moment
    new_moment = np.diff(sequences.times, prepend=-1) != 0
    new_moment[sequences.offsets[:-1]] = True
    return np.maximum.accumulate(np.where(new_moment, position, 0))


def cut_windows(
    sequences: TrainingSequences, *, max_length: int, stride: int, rng: np.random.Generator
) -> Windows:
    """Cut each user into windows of at most `stride` targets; where a longer user is cut is drawn anew.

    Holds: every event is between `begin` and `end` of exactly one window.
    """
    first, begin, end = [], [], []
    for start, stop in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
        length = stop - start
        if length <= max_length:
            cuts = np.array([start, stop])
        else:
            # drawn anew each epoch: an event does not always open its window, with the same history before it
            head = start + rng.integers(1, stride + 1)
            cuts = np.concatenate([[start], np.arange(head, stop, stride), [stop]])
        begin.append(cuts[:-1])
        end.append(cuts[1:])
        first.append(np.maximum(cuts[1:] - 1 - max_length, start))
    firsts = np.concatenate(first)
    return Windows(
        first=firsts,
        begin=np.concatenate(begin),
        end=np.concatenate(end),
        opens=np.isin(firsts, sequences.offsets[:-1]),
    )


def window_batches(
    sequences: TrainingSequences,
    windows: Windows,
    *,
    known: Int[np.ndarray, "event"],
    is_target: Bool[np.ndarray, "event"],
    batch_size: int,
    rng: np.random.Generator,
) -> Iterator[WindowBatch]:
    """Batches of windows of like length, in random order; windows without a target are left out."""
    for chosen in shuffled_windows(windows, is_target=is_target, batch_size=batch_size, rng=rng):
        made = _batch(sequences, windows, chosen, known, is_target)
        if len(made.targets):
            yield made


def shuffled_windows(
    windows: Windows, *, is_target: Bool[np.ndarray, "event"], batch_size: int, rng: np.random.Generator
) -> Iterator[Int[np.ndarray, "W"]]:
    """Which windows make a batch: of like length, in random order; those without a target are left out."""
    running = np.concatenate([[0], np.cumsum(is_target)])
    useful = np.flatnonzero(running[windows.end] > running[windows.begin])
    order = rng.permutation(useful)
    length = windows.end - windows.first
    batches = []
    for chunk in np.split(
        order, range(batch_size * SHUFFLE_BATCHES, len(order), batch_size * SHUFFLE_BATCHES)
    ):
        chunk = chunk[np.argsort(length[chunk], kind="stable")]
        batches += np.split(chunk, range(batch_size, len(chunk), batch_size))
    for at in rng.permutation(len(batches)):
        if len(batches[at]):
            yield batches[at]


def _batch(
    sequences: TrainingSequences,
    windows: Windows,
    chosen: Int[np.ndarray, "W"],
    known: Int[np.ndarray, "event"],
    is_target: Bool[np.ndarray, "event"],
) -> WindowBatch:
    first, begin, end = windows.first[chosen], windows.begin[chosen], windows.end[chosen]
    items, times = pad_runs(sequences.items, sequences.times, first, end - 1)
    row, event = flat_runs(begin, end)
    state = known[event] - first[row]
    # a window that opens inside a user has no true start: a target without any event before it is dropped
    kept = is_target[event] & ((state > 0) | windows.opens[chosen][row]) & (state >= 0)
    return WindowBatch(
        items=torch.from_numpy(items),
        times=torch.from_numpy(times),
        state_at=torch.from_numpy(row[kept] * (items.shape[1] + 1) + state[kept]),
        targets=torch.from_numpy(sequences.items[event[kept]].astype(np.int64)),
        weights=None if sequences.weights is None else torch.from_numpy(sequences.weights[event[kept]]),
        objectives=None if sequences.types is None else torch.from_numpy(sequences.types[event[kept]]),
    )
