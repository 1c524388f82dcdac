"""The arm that knows nothing: every request gets items in a random order. What any other arm must clear."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

from components.recommender.arm import Histories, Ranked
from components.recommender.requests import MASK_CELLS, seen_columns, usable_items
from components.recommender.top import top_columns
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
    ) -> Ranked:
        usable = usable_items(np.arange(len(histories.catalogue)), candidates)
        num_columns = len(usable.positions)
        items = np.full((len(histories), k), -1, dtype=np.int64)
        scores = np.full((len(histories), k), -np.inf, dtype=np.float32)
        if num_columns == 0:
            return Ranked(items=items, scores=scores)
        size = max(1, MASK_CELLS // num_columns // 4)
        for chosen in np.split(np.arange(len(histories)), range(size, len(histories), size)):
            draws = [self._draw(histories, request, num_columns) for request in chosen]
            block = torch.from_numpy(np.array(draws, dtype=np.float32).reshape(len(chosen), num_columns))
            if exclude_seen:
                seen = seen_columns(histories, chosen, usable.column, num_columns)
                block = block.masked_fill(seen, -torch.inf)
            at, values = top_columns(block, k)
            items[chosen] = np.where(at < 0, -1, usable.positions[at])
            scores[chosen] = values
        return Ranked(items=items, scores=scores)

    def _draw(self, histories: Histories, request: int, num_columns: int) -> np.ndarray:
        run = slice(histories.start[request], histories.end[request])
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
