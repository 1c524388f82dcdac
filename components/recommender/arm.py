"""What every arm offers, whatever its inside: histories in, ranked items and scores out.

Shapes: R requests, E events, I items of the catalogue, k places of a list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeGuard

import numpy as np
from jaxtyping import Bool, Float, Int

from components.content_vectors import ContentVectors

OnRanked = Callable[[int, int], None]  # requests ranked so far, requests in all


@dataclass(frozen=True, kw_only=True)
class Histories:
    """Ragged histories in columns. Request r sees events `start[r]:end[r]`, oldest first.

    Requests may share events (a growing history is one run of events with several ends), so a replay of a
    thousand lists of one user costs one copy of that user's events. `items` points into `catalogue`, the
    item ids that the caller speaks; an arm maps them to its own vocabulary.
    """

    catalogue: np.ndarray  # [I] item ids (str objects), no duplicates
    items: Int[np.ndarray, "E"]  # position in catalogue
    times: Int[np.ndarray, "E"]  # epoch seconds
    start: Int[np.ndarray, "R"]
    end: Int[np.ndarray, "R"]

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Best first. Score descending, ties by position in the catalogue; empty places are -1 with score -inf."""

    items: Int[np.ndarray, "R k"]  # position in the histories' catalogue
    scores: Float[np.ndarray, "R k"]


class Arm(Protocol):
    """A frozen model. Holds: no item twice in a list, none outside `candidates`, none seen if seen are excluded.

    An item the arm has never heard of is never returned; a history it cannot use (empty, or only unknown
    items) still gets a list.
    """

    name: str

    def recommend(
        self,
        histories: Histories,
        *,
        k: int,
        candidates: Bool[np.ndarray, "I"] | None = None,
        exclude_seen: bool = True,
        on_step: OnRanked | None = None,
    ) -> Ranked:
        """The best `k` items for every request, out of `candidates` (None: of the whole catalogue).

        `on_step` is called after every batch; its last call says that all requests are ranked.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), tables (parquet) and `arm.json` (name and config) into the folder."""
        ...


class TakesIds(Arm, Protocol):
    """An arm that ranks items by their semantic IDs, and can be told those of items it never saw."""

    @property
    def reads_codes(self) -> bool: ...

    def with_ids(self, item_ids: np.ndarray, codes: Int[np.ndarray, "new level"]) -> Arm: ...


def takes_ids(arm: Arm) -> TypeGuard[TakesIds]:
    """Whether it does: SASRec and HSTU are dense arms too, and read no codes."""
    return bool(getattr(arm, "reads_codes", False))


class TakesContent(Arm, Protocol):
    """An arm that ranks items by what they are, and can be told the content of items it never saw."""

    @property
    def content_space(self) -> str: ...

    def with_content(self, item_ids: np.ndarray, content: ContentVectors) -> Arm: ...


def takes_content(arm: Arm) -> TypeGuard[TakesContent]:
    """Whether it does; of a dense arm its config tells."""
    return bool(getattr(arm, "content_space", ""))
