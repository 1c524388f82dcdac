"""From the caller's histories to ranked lists: what every arm does alike, around its own scoring.

Shapes: R requests, E events, I items of the caller's catalogue, V rows of the arm's vocabulary, C candidate
items (known to both), in the catalogue's order; B requests of a batch, W items that a model proposes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.recommender.arm import Histories, OnRanked, Ranked
from components.recommender.decoding.candidates import CandidateItems, candidate_items
from components.recommender.decoding.stable_topk import stable_topk
from components.recommender.event_runs import flat_runs, pad_runs
from components.recommender.fast_matmul import fast_matmul

SCORE_CELLS = 50_000_000  # of a [request item] block: 200 MB of float32


@dataclass(frozen=True, kw_only=True)
class RequestBatch:
    """Some requests, with the latest known events of each, padded on the right."""

    requests: Int[np.ndarray, "B"]  # which
    items: Int[Tensor, "B P_minus_1"]  # rows of the arm's vocabulary
    times: Int[Tensor, "B P_minus_1"]
    length: Int[Tensor, "B"]  # known events read; the state to use is at this place
    # pairs of a request of the batch and a candidate (its column) that it may not get; no pair twice
    excluded_row: Int[Tensor, "N"]
    excluded_column: Int[Tensor, "N"]

    def to(self, device: torch.device) -> RequestBatch:
        """`requests` stay an array: they are the caller's."""
        moved: dict[str, Any] = {
            name: part.to(device) for name, part in vars(self).items() if isinstance(part, Tensor)
        }
        return replace(self, **moved)


Score = Callable[[RequestBatch, CandidateItems], Float[Tensor, "B C"]]
Propose = Callable[[RequestBatch, CandidateItems], tuple[Int[Tensor, "B W"], Float[Tensor, "B W"]]]


def rank_by_score(
    score: Score,
    histories: Histories,
    rows: Int[np.ndarray, "I"],
    *,
    k: int,
    candidates: Bool[np.ndarray, "I"] | None,
    exclude_seen: bool,
    max_length: int = 0,
    allowed: CandidateItems | None = None,
    on_step: OnRanked | None = None,
) -> Ranked:
    """The best k of a model that scores every candidate; `score` gives a block that may be written into.

    `allowed` are `candidates` as a caller keeps them from call to call.
    """

    def best(batch: RequestBatch, allowed: CandidateItems) -> tuple[np.ndarray, np.ndarray]:
        scores = score(batch, allowed)
        seen = batch.to(scores.device)
        scores[seen.excluded_row, seen.excluded_column] = -torch.inf
        return stable_topk(scores, k)

    allowed = candidate_items(rows, candidates) if allowed is None else allowed
    batches = request_batches(
        histories, rows, allowed, max_length=max_length, batch_size=256, exclude_seen=exclude_seen
    )
    return _ranked(best, batches, allowed, num_requests=len(histories), k=k, on_step=on_step)


def rank_proposals(
    propose: Propose,
    histories: Histories,
    rows: Int[np.ndarray, "I"],
    *,
    k: int,
    candidates: Bool[np.ndarray, "I"] | None,
    exclude_seen: bool,
    max_length: int,
    batch_size: int,
    allowed: CandidateItems | None = None,
    on_step: OnRanked | None = None,
) -> Ranked:
    """The best k of a model that finds its items itself, none excluded; a place without one has score -inf.

    `allowed` are `candidates` as a caller keeps them from call to call.
    """

    def best(batch: RequestBatch, allowed: CandidateItems) -> tuple[np.ndarray, np.ndarray]:
        column, score = propose(batch, allowed)
        by_column = column.argsort(dim=1, stable=True)  # columns ascend with the catalogue: ties in its order
        at, values = stable_topk(score.gather(1, by_column), k)
        found = np.take_along_axis(column.gather(1, by_column).cpu().numpy(), np.maximum(at, 0), axis=1)
        return np.where(at < 0, -1, found), values

    allowed = candidate_items(rows, candidates) if allowed is None else allowed
    batches = request_batches(
        histories, rows, allowed, max_length=max_length, batch_size=batch_size, exclude_seen=exclude_seen
    )
    return _ranked(best, batches, allowed, num_requests=len(histories), k=k, on_step=on_step)


def _ranked(
    best: Callable[[RequestBatch, CandidateItems], tuple[np.ndarray, np.ndarray]],
    batches: Iterator[RequestBatch],
    allowed: CandidateItems,
    *,
    num_requests: int,
    k: int,
    on_step: OnRanked | None,
) -> Ranked:
    items = np.full((num_requests, k), -1, dtype=np.int64)
    scores = np.full((num_requests, k), -np.inf, dtype=np.float32)
    if not len(allowed.positions) or not k:  # nothing can stand in a list: no model is asked
        batches = iter(())
    done = 0
    with fast_matmul():
        for batch in batches:
            at, values = best(batch, allowed)
            items[batch.requests] = np.where(at < 0, -1, allowed.positions[at])
            scores[batch.requests] = values
            done += len(batch.requests)
            if on_step is not None:
                on_step(done, num_requests)
    if on_step is not None and done < num_requests:
        on_step(num_requests, num_requests)
    return Ranked(items=items, scores=scores)


def request_batches(
    histories: Histories,
    rows: Int[np.ndarray, "I"],
    allowed: CandidateItems,
    *,
    max_length: int,
    batch_size: int,
    exclude_seen: bool,
) -> Iterator[RequestBatch]:
    """All requests, shortest history first, so that little is padded; at most `batch_size` at once.

    Fewer where the catalogue is so large that their scores would be more than SCORE_CELLS.
    """
    known = rows[histories.items] if len(histories.items) else np.zeros(0, dtype=np.int64)
    is_known = known >= 0
    items, times = known[is_known], histories.times[is_known].astype(np.int64)
    place = np.concatenate([[0], np.cumsum(is_known)])
    start, end = place[histories.start], place[histories.end]
    start = np.maximum(start, end - max_length)
    order = np.argsort(end - start, kind="stable")
    size = max(1, min(batch_size, SCORE_CELLS // max(1, len(allowed.positions))))
    for chosen in np.split(order, range(size, len(order), size)):
        if not len(chosen):
            continue
        padded_items, padded_times = pad_runs(items, times, start[chosen], end[chosen])
        row, column = _seen(histories, chosen, allowed) if exclude_seen else (_NONE, _NONE)
        yield RequestBatch(
            requests=chosen,
            items=torch.from_numpy(padded_items),
            times=torch.from_numpy(padded_times),
            length=torch.from_numpy(end[chosen] - start[chosen]),
            excluded_row=torch.from_numpy(row),
            excluded_column=torch.from_numpy(column),
        )


_NONE = np.zeros(0, dtype=np.int64)


def _seen(
    histories: Histories, requests: Int[np.ndarray, "B"], allowed: CandidateItems
) -> tuple[Int[np.ndarray, "N"], Int[np.ndarray, "N"]]:
    """Every candidate in each request's whole history, once."""
    row, event = flat_runs(histories.start[requests], histories.end[requests])
    column = allowed.column[histories.items[event]]
    kept = column >= 0
    width = np.int64(len(allowed.positions))
    # one number a pair: unique then sorts by request, and an item seen twice is excluded once
    pair = np.unique(row[kept] * width + column[kept])
    return pair // width, pair % width
