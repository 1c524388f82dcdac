"""A bundle that answers: histories in the source's ids in, titles in the source's ids out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.compute import ON_CPU, Compute
from components.recommender.arm import Arm, Histories, takes_content, takes_ids
from components.recommender.loading import load_arm
from components.registry.bundle import Bundle, BundleMismatch, open_bundle
from components.serving.new_items import NewItems

LIST_COLUMNS = ("user_id", "rank", "item_id", "title", "score", "bundle")


class HistoryError(ValueError):
    """A history that cannot be scored: names the row and the mend."""


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """A loaded bundle. Everything it answers is pinned to that bundle's digest."""

    bundle: Bundle
    arm: Arm
    item_ids: np.ndarray  # [I] of the catalogue, ascending
    titles: dict[str, str]

    def recommend(self, histories: pd.DataFrame, *, k: int, exclude_seen: bool = True) -> pd.DataFrame:
        """The best `k` items of each row, best first, as LIST_COLUMNS with rank from 1.

        `histories`: user_id, item_ids (oldest first) and, if known, times (epoch seconds, one an item);
        without times only the order counts. Items that the bundle does not know are taken as events of
        unknown items; an empty history gets the arm's list for it. A list is shorter than `k` if no more
        items are left. Raises HistoryError.
        """
        if k < 1:
            raise HistoryError(f"k is {k}; ask for at least one place")
        ranked = self.arm.recommend(asked := self.histories(histories), k=k, exclude_seen=exclude_seen)
        row, place = np.nonzero(ranked.items >= 0)
        item_ids = asked.catalogue[ranked.items[row, place]]
        return pd.DataFrame(
            {
                "user_id": histories["user_id"].to_numpy(dtype=object)[row],
                "rank": place + 1,
                "item_id": item_ids,
                "title": [self.titles.get(item_id) or item_id for item_id in item_ids],
                "score": ranked.scores[row, place].astype(np.float64),
                "bundle": self.bundle.digest,
            },
            columns=list(LIST_COLUMNS),
        )

    def histories(self, frame: pd.DataFrame) -> Histories:
        """As the arm takes them: its catalogue is `item_ids`, then strangers. Raises HistoryError."""
        lists = [_as_list(value) for value in frame["item_ids"]]
        times = [_as_list(value) for value in frame["times"]] if "times" in frame else [[]] * len(lists)
        for row, (items, at) in enumerate(zip(lists, times, strict=True)):
            if len(at) and len(at) != len(items):
                raise HistoryError(
                    f"row {row} (user {frame['user_id'].iloc[row]!r}): {len(items)} items and {len(at)} "
                    "times. Pass one time an item, or none."
                )
        seen = np.array([str(item) for items in lists for item in items], dtype=object)
        strangers = sorted(set(seen) - self.titles.keys())
        catalogue = np.concatenate([self.item_ids, np.array(strangers, dtype=object)])
        place = {item_id: position for position, item_id in enumerate(catalogue)}
        end = np.cumsum([len(items) for items in lists], dtype=np.int64)
        stamps = [
            t for items, at in zip(lists, times, strict=True) for t in (at if len(at) else range(len(items)))
        ]
        return Histories(
            catalogue=catalogue,
            items=np.array([place[item] for item in seen], dtype=np.int64),
            times=np.array(stamps, dtype=np.int64),
            start=np.concatenate([np.zeros(min(1, len(end)), dtype=np.int64), end[:-1]]),
            end=end,
        )


def load_scorer(bundle_path: Path | str, *, new: NewItems | None = None, compute: Compute = ON_CPU) -> Scorer:
    """Open a bundle, every byte checked, and make it answer; `new` are items that came after its training.

    Raises ArtifactDamaged, BundleMismatch, DeviceUnavailable, and CheckpointMismatch if this code cannot read the arm.
    """
    bundle = open_bundle(bundle_path)
    items = bundle.items()
    scorer = Scorer(
        bundle=bundle,
        arm=load_arm(bundle.arm_path, compute),
        item_ids=items["item_id"].to_numpy(dtype=object),
        titles={
            item_id: title or "" for item_id, title in zip(items["item_id"], items["title"], strict=True)
        },
    )
    return scorer if new is None else _told_of(scorer, new)


def _told_of(scorer: Scorer, new: NewItems) -> Scorer:
    """The same weights over more items. Items of another bundle are refused: their IDs may be another's."""
    if new.bundle != scorer.bundle.digest:
        raise BundleMismatch(
            f"new items {new.digest[:12]} were identified for bundle {new.bundle[:12]}, not for "
            f"{scorer.bundle.digest[:12]}. `recloop score` identifies them for the version that it scores with."
        )
    if takes_ids(scorer.arm):
        arm = scorer.arm.with_ids(new.item_ids, new.codes)
    elif takes_content(scorer.arm) and new.content is not None:
        arm = scorer.arm.with_content(new.item_ids, new.content)
    else:
        return scorer
    titles = dict(zip(new.items["item_id"], new.items["title"].fillna(""), strict=True))
    return replace(
        scorer,
        arm=arm,
        item_ids=np.array(sorted({*scorer.item_ids.tolist(), *new.item_ids.tolist()}), dtype=object),
        titles=titles | scorer.titles,
    )


def _as_list(value: object) -> Sequence[Any] | np.ndarray:
    """A cell that holds a list, an array, or nothing."""
    return value if isinstance(value, list | tuple | np.ndarray) else []
