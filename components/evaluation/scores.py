"""What each arm's lists are worth to each user, on the whole and on slices, and what the lists are like.

Equal treatment is made here and not left to the arms: lists are made canonical, items that were no candidates
or that the user already had are dropped, a missing list scores 0.
Shapes: U users, R requests, N requests of the cold pass, I items, F categories, k places.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy import sparse

from components.evaluation import beyond
from components.evaluation.canonical import ListError, canonical_lists, check_lists
from components.evaluation.cold import ColdPass
from components.evaluation.plan import ReplayPlan
from components.evaluation.ranking import mean_per_group, rank_metrics
from components.evaluation.slices import COLD_ITEMS, Slice

METRICS = ("ndcg@10", "recall@10", "recall@50", "hr@10", "mrr@10", "map_trec@10")
WHOLE = "all"
RECALL = "recall@10"
_LIST_FIGURES_AT = 10
_REQUESTS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class ReplayScores:
    """Values of users, NaN where a user has nothing to be judged by in a slice."""

    users: np.ndarray  # [U] ids
    arms: tuple[str, ...]
    metrics: tuple[str, ...]
    slices: tuple[str, ...]  # "all" first
    values: Mapping[tuple[str, str, str], Float[np.ndarray, "U"]]  # (arm, slice, metric)
    list_figures: Mapping[str, Mapping[str, float]]  # arm -> coverage@10, gini@10, …
    without_list: Mapping[str, Bool[np.ndarray, "U"]]  # users to whom the arm gave no list at all
    dropped_places: Mapping[str, int]  # repeated, seen, or no candidate
    # of each arm: share of neighbouring places that ascend by item id
    in_id_order: Mapping[str, float] = field(default_factory=dict)

    def of(self, arm: str, metric: str, slice_: str = WHOLE) -> Float[np.ndarray, "U"]:
        return self.values[arm, slice_, metric]

    def table(self) -> pd.DataFrame:
        """One row a user and arm: user, arm, and every metric over the whole."""
        return pd.concat(
            [
                pd.DataFrame({"user": self.users, "arm": arm, **{m: self.of(arm, m) for m in self.metrics}})
                for arm in self.arms
            ],
            ignore_index=True,
        )


def score_replay(
    plan: ReplayPlan,
    lists: Mapping[str, Int[np.ndarray, "R k"]],
    *,
    metrics: Sequence[str] = METRICS,
    slices: Iterable[Slice] = (),
    categories: Bool[np.ndarray, "I F"] | None = None,
    cold: ColdPass | None = None,
    cold_lists: Mapping[str, Int[np.ndarray, "N k"]] | None = None,
) -> ReplayScores:
    """Score every arm's lists: value of a request, mean over a user's requests; users weigh the same.

    `lists` are positions in the plan's catalogue, best first, -1 where empty. With `cold` the slice of cold
    items is judged by `cold_lists`, which answer its requests; an arm without any has found none of them.
    `categories` says which categories an item is of. Raises ListError for lists that do not fit the plan.
    """
    whole = Slice(
        name=WHOLE, users=np.ones(len(plan.users), dtype=bool), items=np.ones(len(plan.catalogue), dtype=bool)
    )
    parts = (whole, *slices)
    truths = {part.name: part.relevant(plan) for part in parts}
    values: dict[tuple[str, str, str], np.ndarray] = {}
    figures, without, dropped, ordered = {}, {}, {}, {}
    for arm in sorted(lists):
        canonical = _fit(plan, arm, lists[arm])
        for part in parts:
            scored = rank_metrics(canonical, truths[part.name], metrics, num_items=len(plan.catalogue))
            for metric in metrics:
                means = mean_per_group(scored[metric], plan.user, len(plan.users))
                values[arm, part.name, metric] = np.where(part.users, means, np.nan)
        if cold is not None:
            in_pass = _cold_values(plan, cold, arm, (cold_lists or {}).get(arm), metrics)
            values |= {(arm, COLD_ITEMS, metric): means for metric, means in in_pass.items()}
        figures[arm] = _list_figures(plan, canonical[:, :_LIST_FIGURES_AT], categories)
        if RECALL in metrics:
            figures[arm] |= _recall_by_third(values, arm)
        lists_of_user = np.bincount(plan.user[(canonical >= 0).any(axis=1)], minlength=len(plan.users))
        without[arm] = lists_of_user == 0
        ordered[arm] = _in_id_order(canonical[:, :_LIST_FIGURES_AT])
        dropped[arm] = int((lists[arm] >= 0).sum() - (canonical >= 0).sum())
    return ReplayScores(
        users=plan.users,
        arms=tuple(sorted(lists)),
        metrics=tuple(metrics),
        slices=tuple(part.name for part in parts),
        values=values,
        list_figures=figures,
        without_list=without,
        dropped_places=dropped,
        in_id_order=ordered,
    )


def canonical_for(plan: ReplayPlan, lists: Int[np.ndarray, "R k"]) -> Int[np.ndarray, "R k"]:
    """The lists as they are judged: candidates only, nothing twice, nothing seen if that is filtered."""
    check_lists(lists, len(plan.catalogue))
    allowed = (lists < 0) | plan.candidates[np.maximum(lists, 0)]
    if plan.filter_seen and len(plan):
        allowed &= ~plan.seen(lists)
    return canonical_lists(lists, num_items=len(plan.catalogue), allowed=allowed)


def _fit(plan: ReplayPlan, arm: str, lists: np.ndarray) -> np.ndarray:
    if lists.ndim != 2 or len(lists) != len(plan):
        raise ListError(f"lists of {arm} are {lists.shape}; the plan has {len(plan)} requests, one list each")
    try:
        return canonical_for(plan, lists)
    except ListError as error:
        raise ListError(f"{arm}: {error}") from error


def _cold_values(
    plan: ReplayPlan, cold: ColdPass, arm: str, lists: np.ndarray | None, metrics: Sequence[str]
) -> dict[str, Float[np.ndarray, "U"]]:
    """Of each metric: a user's mean over the requests that a cold item answers, NaN without such a request."""
    if lists is None:
        lists = np.full((len(cold.requests), 1), -1)
    if lists.ndim != 2 or len(lists) != len(cold.requests):
        raise ListError(
            f"cold lists of {arm} are {lists.shape}; the pass has {len(cold.requests)} requests, one list each"
        )
    try:
        canonical = cold.canonical(plan, lists)
    except ListError as error:
        raise ListError(f"{arm}, cold items: {error}") from error
    scored = rank_metrics(canonical, cold.relevant, metrics, num_items=len(plan.catalogue))
    owner = plan.user[cold.requests]
    return {metric: mean_per_group(scored[metric], owner, len(plan.users)) for metric in metrics}


def _in_id_order(top: Int[np.ndarray, "R k"]) -> float:
    """About a half for an arm with an opinion; 1 where all scores tie, since ties go by id. 0 without a pair."""
    filled = top[:, 1:] >= 0
    return float((top[:, 1:] > top[:, :-1])[filled].mean()) if filled.any() else 0.0


def _recall_by_third(values: Mapping[tuple[str, str, str], np.ndarray], arm: str) -> dict[str, float]:
    """Recall of the popular, middling and rare items that users took: what an arm makes of the tail."""
    return {
        f"recall_{part}@10": _mean(values[arm, part, RECALL])
        for part in ("head_items", "mid_items", "tail_items")
        if (arm, part, RECALL) in values
    }


def _mean(per_user: Float[np.ndarray, "U"]) -> float:
    """Of those that have a value; NaN if none has."""
    defined = per_user[~np.isnan(per_user)]
    return float(defined.mean()) if len(defined) else math.nan


def _list_figures(
    plan: ReplayPlan, top: Int[np.ndarray, "R k"], categories: Bool[np.ndarray, "I F"] | None
) -> dict[str, float]:
    """Figures at 10; those that are means weigh users the same.

    With categories also intra-list distance (categories in which two items of a list differ, on average) and
    calibration (Steck's divergence of the list's mix of categories from the history's, in nats; 0 is best).
    """

    def macro(per_list: np.ndarray) -> float:
        return _mean(mean_per_group(per_list, plan.user, len(plan.users)))

    shown = macro(beyond.popularity(top, plan.item_train_events))
    # sums over histories as differences of one running total: histories of a user overlap
    upto = np.concatenate([[0.0], np.cumsum(plan.item_train_events[plan.items])])
    own = macro((upto[plan.end] - upto[plan.start]) / (plan.end - plan.start))
    figures = {
        f"coverage@{_LIST_FIGURES_AT}": beyond.coverage(top, plan.candidates),
        f"gini@{_LIST_FIGURES_AT}": beyond.gini(top, plan.candidates),
        f"novelty@{_LIST_FIGURES_AT}": macro(
            beyond.novelty(top, plan.item_train_users, plan.num_train_users)
        ),
        f"popularity@{_LIST_FIGURES_AT}": shown,
        f"popularity_over_history@{_LIST_FIGURES_AT}": shown / own if own > 0 else math.nan,
    }
    if categories is not None:
        figures[f"intra_list_distance@{_LIST_FIGURES_AT}"] = macro(
            beyond.intra_list_distance(top, categories)
        )
        figures[f"calibration@{_LIST_FIGURES_AT}"] = macro(_calibration(plan, top, categories))
    return figures


def _calibration(
    plan: ReplayPlan, top: Int[np.ndarray, "R k"], categories: Bool[np.ndarray, "I F"]
) -> Float[np.ndarray, "R"]:
    """By blocks of requests, since histories of a rolling replay hold each event many times."""
    blocks = [slice(at, at + _REQUESTS_AT_ONCE) for at in range(0, len(plan), _REQUESTS_AT_ONCE)]
    found = [beyond.calibration(_histories(plan, rows), top[rows], categories) for rows in blocks]
    return np.concatenate([np.zeros(0), *found])


def _histories(plan: ReplayPlan, rows: slice) -> sparse.csr_array:
    """[R I] how often each item is in a request's history."""
    start, sizes = plan.start[rows], plan.end[rows] - plan.start[rows]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    events = np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], sizes)
    shape = (len(start), len(plan.catalogue))
    return sparse.csr_array((np.ones(len(events)), plan.items[events], offsets), shape=shape)
