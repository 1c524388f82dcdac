"""A registered version in memory: opened, checked, warmed up, and indexed for filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Bool, Int

from components.compute import ON_CPU, Compute
from components.recommender.arm import Arm, Histories
from components.registry import versions
from components.registry.bundle import Bundle
from components.registry.versions import RegisteredVersion
from components.serving.new_items import NewItems, latest_new_items, read_new_items
from components.serving.scorer import load_scorer

Fallback = Literal["new_user", "no_known_item"]
NEW_USER: Literal["new_user"] = "new_user"
NO_KNOWN_ITEM: Literal["no_known_item"] = "no_known_item"
STRANGER = "\0stranger"  # stands in the catalogue for every item that the version does not know
_WARM_UP_ROUNDS = 2


class VersionUnusable(Exception):
    """A version that was loaded and does not answer as it should."""


@dataclass(frozen=True, kw_only=True)
class History:
    """What one request is scored from: oldest first, one time (epoch seconds) an item."""

    item_ids: Sequence[str] = ()
    times: Sequence[int] = ()

    def __post_init__(self) -> None:
        if len(self.item_ids) != len(self.times):
            raise ValueError(f"{len(self.item_ids)} items and {len(self.times)} times: one time an item")


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedVersion:
    """A version that answers. Everything it says is pinned to the bundle's digest."""

    name: str
    version: str
    bundle: Bundle
    arm: Arm
    item_ids: np.ndarray  # [item] ascending
    titles: Mapping[str, str]
    categories: Mapping[str, Sequence[str]]  # of each item that has any
    available_since: Mapping[str, int]  # epoch microseconds; an item that is not in it counts as available
    excludes_seen: bool  # as it was judged
    new_items: str | None = None  # digest of what it was told of items that came after its training
    place: Mapping[str, int] = field(repr=False)  # row of an item

    @property
    def digest(self) -> str:
        return self.bundle.digest

    @cached_property
    def catalogue(self) -> np.ndarray:
        """[item + 1]: one array for all batches, never written to, so that what an arm derives from it is kept."""
        catalogue = np.append(self.item_ids, np.array([STRANGER], dtype=object))
        catalogue.flags.writeable = False
        return catalogue

    @cached_property
    def arrow_item_ids(self) -> pa.Array:
        """The same ids without the stranger, as arrow looks them up."""
        return pa.array(self.item_ids.tolist(), pa.string())

    @cached_property
    def _of_category(self) -> Mapping[str, Int[np.ndarray, "_"]]:
        rows: dict[str, list[int]] = {}
        for item_id, names in self.categories.items():
            for name in names:
                rows.setdefault(name, []).append(self.place[item_id])
        return {name: np.array(found, dtype=np.int64) for name, found in rows.items()}

    @cached_property
    def _since(self) -> Int[np.ndarray, "item"]:
        return np.array([self.available_since.get(item, 0) for item in self.item_ids], dtype=np.int64)

    def knows_category(self, name: str) -> bool:
        return name in self._of_category

    def fallback_of(self, item_ids: Sequence[str]) -> Fallback | None:
        """Why a history gets the list of an empty one; None if the version knows any item of it."""
        if not item_ids:
            return NEW_USER
        return None if any(item in self.place for item in item_ids) else NO_KNOWN_ITEM

    def unknown(self, item_ids: Sequence[str]) -> list[str]:
        """Those that the version has never heard of, each once, in their order."""
        return [item for item in dict.fromkeys(item_ids) if item not in self.place]

    def candidates(
        self, categories: frozenset[str], available_at: datetime | None
    ) -> Bool[np.ndarray, "item"] | None:
        """Catalogue items of any of these categories that are available by then; None: all of them."""
        if not categories and available_at is None:
            return None
        may = np.full(len(self.item_ids) + 1, not categories)
        for name in categories:
            may[self._of_category.get(name, np.zeros(0, dtype=np.int64))] = True
        if available_at is not None:
            may[:-1] &= self._since <= int(available_at.timestamp() * 1_000_000)
        return may

    def histories(self, asked: Sequence[History]) -> Histories:
        stranger = len(self.item_ids)
        end = np.cumsum([len(history.item_ids) for history in asked], dtype=np.int64)
        return Histories(
            catalogue=self.catalogue,
            items=np.array(
                [self.place.get(item, stranger) for history in asked for item in history.item_ids],
                dtype=np.int64,
            ),
            times=np.array([t for history in asked for t in history.times], dtype=np.int64),
            start=np.concatenate([np.zeros(min(1, len(end)), dtype=np.int64), end[:-1]]),
            end=end,
        )


def load_version(
    registered: RegisteredVersion,
    *,
    artifacts: Path,
    available_since: Mapping[str, int],
    compute: Compute = ON_CPU,
) -> LoadedVersion:
    """Fetch a version's bundle unless it is here, check every byte, open it and make it answer.

    It is told the newest IDs that batch scoring gave to items that came after its training. Raises
    NoSuchVersion, ArtifactDamaged, BundleMismatch, CheckpointMismatch, TrackingUnreachable, and VersionUnusable if
    its lists are not ranked, or hold what was never in its catalogue.
    """
    reference = versions.download_bundle(registered.name, registered.version, artifacts)
    found = latest_new_items(artifacts, reference.digest)
    new = read_new_items(found) if found else None
    return loaded_version(
        registered, reference.path, new=new, available_since=available_since, compute=compute
    )


def loaded_version(
    registered: RegisteredVersion,
    bundle_path: Path | str,
    *,
    new: NewItems | None,
    available_since: Mapping[str, int],
    compute: Compute = ON_CPU,
) -> LoadedVersion:
    """A version from a bundle that is here, told of these new items. Raises as `load_version` does."""
    scorer = load_scorer(bundle_path, new=new, compute=compute)
    told = scorer.bundle.items()
    loaded = LoadedVersion(
        name=registered.name,
        version=registered.version,
        bundle=scorer.bundle,
        arm=scorer.arm,
        item_ids=scorer.item_ids,
        titles={item: title or item for item, title in scorer.titles.items()},
        categories=_categories(told if new is None else pd.concat([told, new.items])),
        available_since=available_since,
        excludes_seen=registered.excludes_seen,
        new_items=new.digest if new is not None else None,
        place={item: row for row, item in enumerate(scorer.item_ids)},
    )
    _warm_up(loaded)
    return loaded


def _categories(items: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    joined = zip(items["item_id"], items["categories"], strict=True)
    return {item: tuple(text.split("|")) for item, text in joined if isinstance(text, str) and text}


def _warm_up(loaded: LoadedVersion) -> None:
    """Score a few histories: kernels are chosen, memory is there, and an arm that cannot answer is found out."""
    spread = np.linspace(0, len(loaded.item_ids) - 1, min(20, len(loaded.item_ids)), dtype=np.int64)
    items = [str(loaded.item_ids[row]) for row in spread]
    asked = [History(item_ids=items[:n], times=range(n)) for n in (0, 1, len(items), len(items))]
    for _ in range(_WARM_UP_ROUNDS):
        for size in (1, len(asked)):
            ranked = loaded.arm.recommend(loaded.histories(asked[:size]), k=10)
            if ranked.items.max(initial=-1) >= len(loaded.item_ids) or np.isnan(ranked.scores).any():
                raise VersionUnusable(
                    f"version {loaded.version} of {loaded.name}: its lists hold unknown items or scores that are "
                    "no numbers. Train it again; `recloop rollback` brings the champion before it back."
                )
