"""The arm that knows nothing: every request gets items in a random order. What any other arm must clear."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from components.recommender.arm import Histories, OnRanked, Ranked
from components.recommender.decoding.candidates import CandidateItems
from components.recommender.decoding.requests import RequestBatch, rank_by_score
from components.recommender.weights import write_arm

NAME = "random"


class RandomArm:
    """Scores drawn from the seed and the history, so the same request gets the same list anywhere."""

    name = NAME

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def recommend(
        self,
        histories: Histories,
        *,
        k: int,
        candidates: Bool[np.ndarray, "I"] | None = None,
        exclude_seen: bool = True,
        on_step: OnRanked | None = None,
    ) -> Ranked:
        def score(batch: RequestBatch, allowed: CandidateItems) -> Float[Tensor, "B C"]:
            draws = [self._draw(histories, request, len(allowed.positions)) for request in batch.requests]
            return torch.from_numpy(np.array(draws, dtype=np.float32))

        rows = np.arange(len(histories.catalogue))
        return rank_by_score(
            score, histories, rows, k=k, candidates=candidates, exclude_seen=exclude_seen, on_step=on_step
        )

    def _draw(self, histories: Histories, request: int, num_columns: int) -> np.ndarray:
        run = slice(histories.start[request], histories.end[request])
        # byte order is fixed, so that another machine draws the same list
        content = hashlib.sha256(np.ascontiguousarray(histories.items[run], dtype="<i8").tobytes())
        content.update(np.ascontiguousarray(histories.times[run], dtype="<i8").tobytes())
        return np.random.default_rng([self.seed, int.from_bytes(content.digest()[:8], "little")]).random(
            num_columns
        )

    def save(self, folder: Path) -> None:
        write_arm(folder, self.name, {"seed": self.seed})


def load_random(config: dict[str, Any]) -> RandomArm:
    """The arm that `save` wrote."""
    return RandomArm(seed=config["seed"])
