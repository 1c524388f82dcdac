"""From the caller's histories to what a network reads: known items, the latest few, batched by length.

Shapes: R requests, E events, I items of the caller's catalogue, V rows of the arm's vocabulary, C usable
items (known to both), in the catalogue's order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from components.recommender.arm import Histories
from components.recommender.windows import pad_runs

MASK_CELLS = 50_000_000  # of a [request item] mask: 50 MB as bool, 200 MB as float32 scores


@dataclass(frozen=True, kw_only=True)
class Usable:
    """The items that an arm may return for these histories, in catalogue order."""

    rows: Int[Tensor, "C"]  # in the arm's vocabulary
    positions: Int[np.ndarray, "C"]  # in the caller's catalogue
    column: Int[np.ndarray, "I"]  # column of a catalogue item, -1 if it may not be returned


@dataclass(frozen=True, kw_only=True)
class RequestBatch:
    """Some requests, with the latest known events of each, padded on the right."""

    requests: Int[np.ndarray, "B"]  # which
    items: Int[Tensor, "B P-1"]  # rows of the arm's vocabulary
    times: Int[Tensor, "B P-1"]
    length: Int[Tensor, "B"]  # known events read; the state to use is at this place


def vocabulary_rows(catalogue: np.ndarray, item_ids: np.ndarray) -> Int[np.ndarray, "I"]:
    """Row of each catalogue item in the ascending vocabulary `item_ids`, -1 for a stranger."""
    place = {item: at for at, item in enumerate(item_ids)}
    return np.array([place.get(item, -1) for item in catalogue], dtype=np.int64)


def usable_items(rows: Int[np.ndarray, "I"], candidates: Bool[np.ndarray, "I"] | None) -> Usable:
    """Catalogue items with a row in the vocabulary, and among the candidates."""
    may = rows >= 0
    if candidates is not None:
        may = may & candidates
    positions = np.flatnonzero(may)
    column = np.full(len(rows), -1, dtype=np.int64)
    column[positions] = np.arange(len(positions))
    return Usable(rows=torch.from_numpy(rows[positions]), positions=positions, column=column)


def request_batches(
    histories: Histories,
    rows: Int[np.ndarray, "I"],
    *,
    max_length: int,
    num_columns: int,
    batch_size: int = 256,
) -> Iterator[RequestBatch]:
    """All requests, shortest first, in batches whose [request, column] masks stay within MASK_CELLS."""
    known = rows[histories.items] if len(histories.items) else np.zeros(0, dtype=np.int64)
    is_known = known >= 0
    items, times = known[is_known], histories.times[is_known].astype(np.int64)
    place = np.concatenate([[0], np.cumsum(is_known)])
    start, end = place[histories.start], place[histories.end]
    start = np.maximum(start, end - max_length)
    order = np.argsort(end - start, kind="stable")
    size = max(1, min(batch_size, MASK_CELLS // max(1, num_columns)))
    for chosen in np.split(order, range(size, len(order), size)):
        if not len(chosen):
            continue
        padded_items, padded_times = pad_runs(items, times, start[chosen], end[chosen])
        yield RequestBatch(
            requests=chosen,
            items=torch.from_numpy(padded_items),
            times=torch.from_numpy(padded_times),
            length=torch.from_numpy(end[chosen] - start[chosen]),
        )


def seen_columns(
    histories: Histories, requests: Int[np.ndarray, "B"], column: Int[np.ndarray, "I"], num_columns: int
) -> Bool[Tensor, "B C"]:
    """Which usable items a request's whole history holds."""
    start, end = histories.start[requests], histories.end[requests]
    counts = end - start
    row = np.repeat(np.arange(len(requests)), counts)
    event = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + start[row]
    seen_at = column[histories.items[event]]
    kept = seen_at >= 0
    seen = torch.zeros(len(requests), num_columns, dtype=torch.bool)
    seen[torch.from_numpy(row[kept]), torch.from_numpy(seen_at[kept])] = True
    return seen
