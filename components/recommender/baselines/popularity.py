"""Popularity arms: one fixed order of items for everybody, minus what a user has seen.

All-time popularity counts every training event; recent popularity those of the last days before the cut.
Both stand in every replay: a model that does not beat them is never promoted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from components.recommender.arm import Histories, OnRanked, Ranked
from components.recommender.decoding.candidates import CandidateItems, CatalogueRows
from components.recommender.decoding.requests import (
    RequestBatch,
    rank_by_score,
)
from components.recommender.weights import read_items, write_arm, write_items

PopularityName = Literal["popularity", "recent_popularity"]
SECONDS_PER_DAY = 86_400


def fit_popularity(item_ids: np.ndarray, weights: Float[np.ndarray, "event"] | None = None) -> PopularityArm:
    """Count all events, each by its weight where there are any. `item_ids` [event] str.

    Items whose events all weigh 0 stay known, with a count of zero.
    """
    return _counted(item_ids, "popularity", {}, weights=weights)


def fit_recent_popularity(
    item_ids: np.ndarray,
    times: Int[np.ndarray, "event"],
    weights: Float[np.ndarray, "event"] | None = None,
    *,
    cutoff: int,
    days: float = 30,
) -> PopularityArm:
    """Count the events of the last `days` before `cutoff` (epoch seconds, exclusive), by weight as above.

    Items whose events are all older stay known, with a count of zero. Raises ValueError for an event at or
    after the cut-off.
    """
    if len(times) and times.max() >= cutoff:
        raise ValueError(
            f"an event at {times.max()} is not before the cut-off {cutoff}: popularity would leak"
        )
    is_recent = times >= cutoff - days * SECONDS_PER_DAY
    counted = is_recent if weights is None else is_recent * weights
    return _counted(item_ids, "recent_popularity", {"cutoff": int(cutoff), "days": days}, weights=counted)


def _counted(
    item_ids: np.ndarray,
    name: PopularityName,
    config: dict[str, Any],
    weights: Bool[np.ndarray, "event"] | Float[np.ndarray, "event"] | None = None,
) -> PopularityArm:
    known, place = np.unique(np.asarray(item_ids, dtype=object), return_inverse=True)
    counts = np.bincount(place, weights=weights, minlength=len(known))
    return PopularityArm(name=name, item_ids=known, scores=counts.astype(np.float32), config=config)


class PopularityArm:
    """A fixed score an item."""

    def __init__(
        self,
        *,
        name: PopularityName,
        item_ids: np.ndarray,
        scores: Float[np.ndarray, "item"],
        config: dict[str, Any],
    ) -> None:
        self.name: str = name
        self.item_ids, self.scores, self.config = item_ids, scores, config
        self._rows = CatalogueRows(item_ids)

    def recommend(
        self,
        histories: Histories,
        *,
        k: int,
        candidates: Bool[np.ndarray, "I"] | None = None,
        exclude_seen: bool = True,
        on_step: OnRanked | None = None,
    ) -> Ranked:
        rows = self._rows.of(histories.catalogue)
        everybody = torch.from_numpy(self.scores)

        def score(batch: RequestBatch, allowed: CandidateItems) -> Float[Tensor, "B C"]:
            return everybody[allowed.rows].repeat(len(batch.requests), 1)

        return rank_by_score(
            score, histories, rows, k=k, candidates=candidates, exclude_seen=exclude_seen, on_step=on_step
        )

    def save(self, folder: Path) -> None:
        write_arm(folder, self.name, self.config)
        no_codes = np.zeros((len(self.item_ids), 0), dtype=np.int64)
        write_items(folder, self.item_ids, {"score": self.scores}, no_codes)


def load_popularity(folder: Path, name: PopularityName, config: dict[str, Any]) -> PopularityArm:
    """The arm that `save` wrote. Raises CheckpointMismatch."""
    item_ids, columns, _ = read_items(folder)
    return PopularityArm(name=name, item_ids=item_ids, scores=columns["score"], config=config)
