"""Windows with gaps: some events are hidden behind a mask and are the targets of the states that stand there.

Source: Sun et al. 2019, arXiv:1904.06690, section 3, with masks drawn anew each epoch. Events of one moment are hidden
together where moments count (`strict_time`): a replay asks for them together. Held-out events are no context either,
since a place reads what comes after it.

Shapes: W windows, P places of the longest (start included), T targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Int

from components.recommender.event_runs import pad_runs
from components.recommender.networks.cloze_network import Cloze
from components.recommender.sequences import TrainingSequences
from components.recommender.training.windows import WindowBatch, Windows, shuffled_windows


def cloze_batches(
    sequences: TrainingSequences,
    windows: Windows,
    cloze: Cloze,
    *,
    is_held_out: Bool[np.ndarray, "event"],
    known: Int[np.ndarray, "event"],
    is_target: Bool[np.ndarray, "event"],
    batch_size: int,
    rng: np.random.Generator,
) -> Iterator[WindowBatch]:
    """Batches as `window_batches` makes them, of windows with gaps. `known` is what `known_before` gives.

    Only events between `begin` and `end` of a window are hidden, in each at least its last moment.
    """
    windows = _without(is_held_out, windows)
    for chosen in shuffled_windows(windows, is_target=is_target, batch_size=batch_size, rng=rng):
        made = _batch(sequences, windows, chosen, cloze, known, is_target, rng)
        if len(made.targets):
            yield made


def _without(is_held_out: Bool[np.ndarray, "event"], windows: Windows) -> Windows:
    """Held-out events are the latest of their user: each window ends before the first of them."""
    held_out_before = np.concatenate([[0], np.cumsum(is_held_out)])
    count = held_out_before[windows.end] - held_out_before[windows.first]
    return replace(windows, end=np.maximum(windows.end - count, windows.begin))


def _batch(
    sequences: TrainingSequences,
    windows: Windows,
    chosen: Int[np.ndarray, "W"],
    cloze: Cloze,
    known: Int[np.ndarray, "event"],
    is_target: Bool[np.ndarray, "event"],
    rng: np.random.Generator,
) -> WindowBatch:
    first, end = windows.first[chosen, None], windows.end[chosen, None]
    items, times = pad_runs(sequences.items, sequences.times, first[:, 0], end[:, 0])
    event = np.minimum(first + np.arange(items.shape[1]), end - 1)  # padding repeats the last
    moment = np.maximum(known[event], first)  # the first event of each event's moment
    draws = np.take_along_axis(rng.random(items.shape), moment - first, axis=1)
    is_last = moment == moment[:, -1:]
    hidden = np.where(rng.random((len(chosen), 1)) < cloze.last_share, is_last, draws < cloze.share)
    is_padding = first + np.arange(items.shape[1]) >= end
    may = is_target[event] & (event >= windows.begin[chosen, None]) & ~is_padding
    hidden = (hidden | (is_last & ~(hidden & may).any(axis=1, keepdims=True))) & may
    row, place = np.nonzero(hidden)
    targets = event[hidden]
    items[hidden], items[is_padding] = sequences.num_items, sequences.num_items + 1
    return WindowBatch(
        items=torch.from_numpy(items),
        times=torch.from_numpy(times),
        state_at=torch.from_numpy(row * (items.shape[1] + 1) + place + 1),
        targets=torch.from_numpy(sequences.items[targets].astype(np.int64)),
        weights=None if sequences.weights is None else torch.from_numpy(sequences.weights[targets]),
    )
