"""A batch of requests scored by one version: those that ask alike share a call of the arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from components.serving.loaded import History, LoadedVersion

_SIZES = (10, 20, 50, 100, 200, 400)  # places that the arm is asked for: never a matter of who else asks


def places_asked(places: int) -> int:
    """How many places an arm is asked for where so many are wanted."""
    return next((size for size in _SIZES if size >= places), places)


@dataclass(frozen=True, kw_only=True)
class Query:
    """What a list must be like."""

    k: int
    exclude_seen: bool
    exclude: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()  # any of them; empty: all items
    available_at: datetime | None = None  # items that are available by then; None: all

    @property
    def kind(self) -> tuple[int, bool, frozenset[str], datetime | None]:
        """Queries of one kind can be asked in one call; excluded items are dropped from a longer list."""
        return places_asked(self.k + len(self.exclude)), self.exclude_seen, self.categories, self.available_at


@dataclass(frozen=True, kw_only=True)
class Place:
    """One place of a list, best first."""

    item_id: str
    score: float


def rank(version: LoadedVersion, asked: Sequence[tuple[History, Query]]) -> list[tuple[Place, ...]]:
    """A list for each, in their order. Shorter than `k` where no more items are left."""
    groups: dict[object, list[int]] = {}
    for at, (_, query) in enumerate(asked):
        groups.setdefault(query.kind, []).append(at)
    lists: list[tuple[Place, ...]] = [()] * len(asked)
    for members in groups.values():
        found = _rank_alike(version, [asked[at][0] for at in members], asked[members[0]][1])
        for at, places in zip(members, found, strict=True):
            query = asked[at][1]
            lists[at] = tuple(p for p in places if p.item_id not in query.exclude)[: query.k]
    return lists


def _rank_alike(version: LoadedVersion, histories: Sequence[History], query: Query) -> list[list[Place]]:
    size, exclude_seen, categories, available_at = query.kind
    ranked = version.arm.recommend(
        version.histories(histories),
        k=min(size, len(version.item_ids)),
        candidates=version.candidates(categories, available_at),
        exclude_seen=exclude_seen,
    )
    return [
        [
            Place(item_id=str(version.item_ids[item]), score=float(score))
            for item, score in zip(items[items >= 0], scores[items >= 0], strict=True)
        ]
        for items, scores in zip(ranked.items, np.asarray(ranked.scores), strict=True)
    ]
