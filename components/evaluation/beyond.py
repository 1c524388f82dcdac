"""What lists are like beyond their hits: coverage, concentration, novelty, diversity, calibration.

Coverage and Gini are figures of all lists together, the rest one value a list (NaN where undefined). Sources:
Vargas & Castells 2011 (novelty), Ziegler et al. 2005 (intra-list distance), Steck 2018 (calibration).
Shapes: R lists, k places (-1 empty), I items, F features of an item (0 or 1).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy import sparse


def categories_of(items: pd.DataFrame, catalogue: np.ndarray) -> Bool[np.ndarray, "I F"] | None:
    """Which categories each item of the catalogue is of, from `items` (item_id, categories joined by |).

    Categories in the order of their names. None where no item has any.
    """
    stated = items.set_index("item_id")["categories"].reindex(catalogue)
    table = stated.fillna("").str.get_dummies("|")
    return table.to_numpy(dtype=bool) if table.shape[1] else None


def coverage(lists: Int[np.ndarray, "R k"], candidates: Bool[np.ndarray, "I"]) -> float:
    """Share of the candidates that some list holds; NaN without candidates."""
    shown = np.zeros(len(candidates), dtype=bool)
    shown[lists[lists >= 0]] = True
    return float((shown & candidates).sum() / candidates.sum()) if candidates.any() else np.nan


def gini(lists: Int[np.ndarray, "R k"], candidates: Bool[np.ndarray, "I"]) -> float:
    """Concentration of the places over the candidates, those never shown included: 0 even, near 1 on one.

    sum (2i - n - 1) x_(i) / (n sum x) over ascending counts; NaN if nothing was shown.
    """
    counts = np.sort(np.bincount(lists[lists >= 0], minlength=len(candidates))[candidates])
    if not counts.sum():
        return np.nan
    n = len(counts)
    # each sorted count weighs by its rank about the middle, so equal counts cancel to 0
    return float(((2 * np.arange(1, n + 1) - n - 1) * counts).sum() / (n * counts.sum()))


def novelty(
    lists: Int[np.ndarray, "R k"], item_train_users: Int[np.ndarray, "I"], num_train_users: int
) -> Float[np.ndarray, "R"]:
    """Mean -log2 share of the train users who had the item; items that nobody had count (0+1)/(users+1)."""
    # an item that nobody had would be infinitely novel, and one such place would be all that the mean tells
    share = np.where(
        item_train_users > 0, item_train_users / max(num_train_users, 1), 1 / (num_train_users + 1)
    )
    return _mean_over_places(lists, -np.log2(share))


def popularity(
    lists: Int[np.ndarray, "R k"], item_train_events: Int[np.ndarray, "I"]
) -> Float[np.ndarray, "R"]:
    """Mean number of train events of the items shown."""
    return _mean_over_places(lists, item_train_events.astype(float))


def intra_list_distance(
    lists: Int[np.ndarray, "R k"], features: Int[np.ndarray, "I F"]
) -> Float[np.ndarray, "R"]:
    """Mean number of features in which two items of the list differ; NaN for lists of fewer than two.

    Of n items, c of which have a feature, c (n - c) pairs differ in it.
    """
    n = (lists >= 0).sum(axis=1)
    # pairs are counted feature by feature and never formed
    having = _placed(lists, len(features)) @ features.astype(float)
    differing = (having * (n[:, None] - having)).sum(axis=1)
    return np.where(n >= 2, differing / np.maximum(n * (n - 1) / 2, 1), np.nan)


def calibration(
    profiles: sparse.csr_array, lists: Int[np.ndarray, "R k"], features: Int[np.ndarray, "I F"]
) -> Float[np.ndarray, "R"]:
    """KL(p || .99 q + .01 p) in nats: p is the history's mix of features, q the list's.

    `profiles` [R, I] holds how often each item is in the history. An item's weight is split equally over its
    features. NaN where the history has no feature.
    """
    split = features / np.maximum(features.sum(axis=1, keepdims=True), 1)
    p = _mix(profiles @ split)
    # a hundredth of p is mixed into q, so that a feature the list lacks costs much and not infinity
    mixed = 0.99 * _mix(_placed(lists, len(features)) @ split) + 0.01 * p
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / mixed), 0.0)
    return np.where(p.sum(axis=1) > 0, terms.sum(axis=1), np.nan)


def _mix(weights: Float[np.ndarray, "R F"]) -> Float[np.ndarray, "R F"]:
    total = weights.sum(axis=1, keepdims=True)
    return weights / np.where(total > 0, total, 1)


def _mean_over_places(lists: Int[np.ndarray, "R k"], value: Float[np.ndarray, "I"]) -> Float[np.ndarray, "R"]:
    filled = lists >= 0
    total = np.where(filled, value[np.maximum(lists, 0)], 0.0).sum(axis=1)
    count = filled.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _placed(lists: Int[np.ndarray, "R k"], num_items: int) -> sparse.csr_array:
    """1 where list r holds item i."""
    filled = lists >= 0
    offsets = np.concatenate([[0], filled.sum(axis=1).cumsum()])
    return sparse.csr_array((np.ones(offsets[-1]), lists[filled], offsets), shape=(len(lists), num_items))
