"""What an arm of two objectives reaches under each of eleven preferences, from all of one to all of the other.

Each event type has a plan of its own, in which events of other types are history and no truth, and is judged by
NDCG@10, mean over users. Both plans are of the same users, who are drawn by a seed where there are many, with a
bound on the lists of each: a page costs some thousand lists for each preference, however large the window is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from jaxtyping import Int

from components.evaluation.hypervolume import hypervolume
from components.evaluation.plan import EmptyWindow, Mode, ReplayPlan, plan_replay
from components.evaluation.ranking import mean_per_group, rank_metrics
from components.evaluation.scores import canonical_for

PLACES, METRIC = 10, "ndcg@10"
NUM_PREFERENCES = 11
MOST_USERS, MOST_LISTS_A_USER = 500, 10
Lists = Callable[[ReplayPlan], Int[np.ndarray, "R k"]]


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """An arm's NDCG@10 on each of the two types."""

    name: str  # the arm, or the part of the first type in the preference
    first: float
    second: float


@dataclass(frozen=True, kw_only=True)
class PreferenceFront:
    """The eleven points in order, from all of the second type to all of the first, and other arms on the same lists."""

    types: tuple[str, str]  # the first is the rarer
    users: tuple[int, int]  # judged by each
    points: tuple[FrontPoint, ...]
    others: tuple[FrontPoint, ...] = ()

    @property
    def hypervolume(self) -> float:
        """Of the eleven points, from the origin."""
        return hypervolume(np.array([[point.first, point.second] for point in self.points]))


@dataclass(frozen=True, kw_only=True)
class FrontPlans:
    """The two types with most truth in the window, and the requests of each."""

    types: tuple[str, str]
    plans: tuple[ReplayPlan, ReplayPlan]

    def judged(self, name: str, lists: Lists) -> FrontPoint:
        """What an arm that gives these lists reaches."""
        first, second = (_ndcg(plan, lists(plan)) for plan in self.plans)
        return FrontPoint(name=name, first=first, second=second)

    @property
    def users(self) -> tuple[int, int]:
        first, second = (len(plan.users) for plan in self.plans)
        return first, second


def plan_front(
    train_events: pd.DataFrame,
    window_events: pd.DataFrame,
    items: pd.DataFrame,
    objectives: Collection[str],
    *,
    cut: datetime,
    end: datetime,
    mode: Mode,
    filter_seen: bool,
    seed: int = 7,
) -> FrontPlans | None:
    """None where fewer than two of the objectives have something in the window that a list can be judged by."""
    users = np.unique(window_events["user_id"].to_numpy(dtype=object))
    if len(users) > MOST_USERS:
        users = np.random.default_rng(seed).choice(users, MOST_USERS, replace=False)
    window = window_events[window_events["user_id"].isin(users)]
    counts = window["event_type"].value_counts()
    counts = counts[counts.index.isin(list(objectives))]
    every = set(train_events["event_type"].unique()) | set(window["event_type"].unique())
    plans: dict[str, ReplayPlan] = {}
    for name in sorted(counts.index, key=lambda name: (-counts[name], name)):
        try:
            plan = plan_replay(
                train_events, window, items, cut=cut, end=end, mode=mode, filter_seen=filter_seen,
                event_weights=dict.fromkeys(every - {name}, 0.0), max_groups_per_user=MOST_LISTS_A_USER,
            )  # fmt: skip
        except EmptyWindow:
            continue
        if len(plan):
            plans[name] = plan
        if len(plans) == 2:
            more, rarer = plans
            return FrontPlans(types=(rarer, more), plans=(plans[rarer], plans[more]))
    return None


def preferences_of(types: tuple[str, str]) -> dict[str, str]:
    """The part of the first type, as it is read → the preference, for each of the eleven."""
    parts = np.linspace(0, 1, NUM_PREFERENCES).round(3).tolist()
    return {f"{part:g}": f"{types[0]}={part:g},{types[1]}={1 - part:g}" for part in parts}


def _ndcg(plan: ReplayPlan, lists: Int[np.ndarray, "R k"]) -> float:
    judged = canonical_for(plan, lists)[:, :PLACES]
    gains = rank_metrics(judged, plan.relevant, [METRIC], num_items=len(plan.catalogue))[METRIC]
    return float(np.nanmean(mean_per_group(gains, plan.user, len(plan.users))))
