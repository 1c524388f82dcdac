"""Ranking metrics over full, canonical lists, one value a list.

R lists of k places, against the relevant items of each list as ragged columns. Conventions
(NDCG after Järvelin & Kekäläinen 2002 with linear gain, MAP as TREC computes it): precision divides by K also
for a short list, an empty list scores 0, the ideal of NDCG holds min(|R|, K) items, MAP divides by |R|
(`map_trec`) or by min(|R|, K) (`map_min`). A list without relevant items is undefined: NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse


class UnknownMetric(Exception):
    """A metric that does not exist was asked for."""


@dataclass(frozen=True, kw_only=True)
class Relevant:
    """What each list is judged by. List r's items are `items[offsets[r]:offsets[r+1]]`, none twice."""

    offsets: Int[np.ndarray, "R_plus_1"]
    items: Int[np.ndarray, "T"]
    gains: Float[np.ndarray, "T"] | None = None  # grades; None means 1 each, and grade 0 is not relevant

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Int[np.ndarray, "R"]:
        """Relevant items of each list."""
        if self.gains is None:
            return np.diff(self.offsets)
        return np.diff(np.concatenate([[0], np.cumsum(self.gains > 0)])[self.offsets])


def parse_metric(name: str) -> tuple[str, int]:
    """`"ndcg@10"` -> `("ndcg", 10)`. Raises UnknownMetric naming what exists."""
    measure, _, k = name.partition("@")
    if measure not in MEASURES or not k.isdigit() or int(k) < 1:
        raise UnknownMetric(f"{name!r} is no ranking metric; there are {', '.join(MEASURES)}, each as name@K")
    return measure, int(k)


def rank_metrics(
    lists: Int[np.ndarray, "R k"], relevant: Relevant, names: Iterable[str], *, num_items: int
) -> dict[str, Float[np.ndarray, "R"]]:
    """Every named metric of every list; NaN where nothing is relevant. `lists` must be canonical."""
    parsed = {name: parse_metric(name) for name in names}
    widest = max((k for _, k in parsed.values()), default=0)
    gains = gather_gains(lists[:, :widest], relevant, num_items=num_items)
    nothing = relevant.sizes == 0
    values = {}
    for name, (measure, k) in parsed.items():
        values[name] = MEASURES[measure](gains[:, :k], relevant, k)
        values[name][nothing] = np.nan
    return values


def gather_gains(
    lists: Int[np.ndarray, "R k"], relevant: Relevant, *, num_items: int
) -> Float[np.ndarray, "R k"]:
    """The gain of each place: 0 for a miss or an empty place."""
    data = np.ones(len(relevant.items)) if relevant.gains is None else relevant.gains.astype(float)
    # one column more than there are items, always 0, for the empty places to point at
    table = sparse.csr_array(
        (data, relevant.items, relevant.offsets), shape=(len(relevant), num_items + 1), copy=True
    )
    table.sort_indices()
    rows = np.repeat(np.arange(len(lists)), lists.shape[1])
    columns = np.where(lists < 0, num_items, lists).ravel()
    if not rows.size:
        return np.zeros(lists.shape)
    return np.asarray(table[rows, columns]).reshape(lists.shape)


def hit_rate(gains: Float[np.ndarray, "R k"], relevant: Relevant, k: int) -> Float[np.ndarray, "R"]:
    return (gains > 0).any(axis=1).astype(float)


def recall(gains: Float[np.ndarray, "R k"], relevant: Relevant, k: int) -> Float[np.ndarray, "R"]:
    return (gains > 0).sum(axis=1) / np.maximum(relevant.sizes, 1)


def precision(gains: Float[np.ndarray, "R k"], relevant: Relevant, k: int) -> Float[np.ndarray, "R"]:
    return (gains > 0).sum(axis=1) / k


def ndcg(gains: Float[np.ndarray, "R k"], relevant: Relevant, k: int) -> Float[np.ndarray, "R"]:
    discount = 1 / np.log2(np.arange(2, k + 2))
    dcg = np.einsum("rk,k->r", gains, discount[: gains.shape[1]])  # as BLAS, but the same bits on any threads
    return dcg / _ideal(relevant, discount)


def mrr(gains: Float[np.ndarray, "R k"], relevant: Relevant, k: int) -> Float[np.ndarray, "R"]:
    hits = gains > 0
    if not hits.shape[1]:
        return np.zeros(len(hits))
    return np.where(hits.any(axis=1), 1 / (1 + hits.argmax(axis=1)), 0.0)


def map_trec(gains: Float[np.ndarray, "R k"], relevant: Relevant, k: int) -> Float[np.ndarray, "R"]:
    return _summed_precision(gains) / np.maximum(relevant.sizes, 1)


def map_min(gains: Float[np.ndarray, "R k"], relevant: Relevant, k: int) -> Float[np.ndarray, "R"]:
    return _summed_precision(gains) / np.clip(relevant.sizes, 1, k)


Measure = Callable[[np.ndarray, Relevant, int], np.ndarray]
MEASURES: dict[str, Measure] = {
    "hr": hit_rate,
    "recall": recall,
    "precision": precision,
    "ndcg": ndcg,
    "mrr": mrr,
    "map_trec": map_trec,
    "map_min": map_min,
}


def mean_per_group(
    values: Float[np.ndarray, "R"], group: Int[np.ndarray, "R"], num_groups: int
) -> Float[np.ndarray, "num_groups"]:
    """Mean of the defined values of each group (lists of a user); NaN for a group with none."""
    defined = ~np.isnan(values)
    sums = np.bincount(group[defined], weights=values[defined], minlength=num_groups)
    counts = np.bincount(group[defined], minlength=num_groups)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _summed_precision(gains: Float[np.ndarray, "R k"]) -> Float[np.ndarray, "R"]:
    """Sum over hits of precision at the hit."""
    hits = gains > 0
    return np.einsum("rk,k->r", hits * hits.cumsum(axis=1), 1 / np.arange(1, gains.shape[1] + 1))


def _ideal(relevant: Relevant, discount: Float[np.ndarray, "k"]) -> Float[np.ndarray, "R"]:
    """DCG of the best possible list: the highest min(|R|, K) gains in order; 1 where nothing is relevant."""
    k = len(discount)
    if relevant.gains is None:
        # 1 for nothing relevant: 0/1 is no warning, and the caller makes it NaN
        best = np.concatenate([[1.0], np.cumsum(discount)])
        return best[np.minimum(relevant.sizes, k)]
    row = np.repeat(np.arange(len(relevant)), np.diff(relevant.offsets))
    order = np.lexsort((-relevant.gains, row))  # rows stay in place, gains fall within each
    place = np.arange(len(row)) - relevant.offsets[row]
    counted = place < k
    dcg = np.bincount(
        row[counted],
        weights=relevant.gains[order][counted] * discount[place[counted]],
        minlength=len(relevant),
    )
    return np.where(dcg > 0, dcg, 1.0)
