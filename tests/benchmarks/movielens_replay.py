"""A real replay of MovieLens-100K, rolling, for the benchmarks of the verdict: plan, arms in closed form, lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from components.data.sources import movielens
from components.evaluation.plan import ReplayPlan, plan_replay
from components.recommender.arm import Arm, Histories
from components.recommender.arms.ease import EASEArm, EASEConfig, fit_ease
from components.recommender.baselines.popularity import fit_popularity, fit_recent_popularity
from components.recommender.sequences import TrainingSequences

CUT = 0.7  # quantile of events; from there to the end 401 users return
PLACES = 50


@dataclass(frozen=True, kw_only=True)
class MovieLensReplay:
    plan: ReplayPlan
    arms: Mapping[str, Arm]  # ease, ease_weak (a much stronger ridge), popularity, recent_popularity

    def lists(self, arm: Arm) -> np.ndarray:
        """[R k] positions in the plan's catalogue."""
        histories = Histories(
            catalogue=self.plan.catalogue,
            items=self.plan.items,
            times=self.plan.times,
            start=self.plan.start,
            end=self.plan.end,
        )
        return arm.recommend(
            histories, k=PLACES, candidates=self.plan.candidates, exclude_seen=self.plan.filter_seen
        ).items


@dataclass(frozen=True, kw_only=True)
class Split:
    """Events on either side of the cut, and all items, as `plan_replay` takes them."""

    train: pd.DataFrame
    window: pd.DataFrame
    items: pd.DataFrame
    cut: datetime
    end: datetime


def open_replay(cache: Path) -> MovieLensReplay:
    """Fit the arms before the cut and plan the window after it. Raises SourceUnavailable without the data."""
    split = read_split(cache)
    return MovieLensReplay(plan=plan_of(split), arms=_fit(split.train, split.cut))


def read_split(cache: Path) -> Split:
    batch = movielens.read_movielens(cache, until=None)
    seconds = batch.events["timestamp"].astype(float)
    events = pd.DataFrame(
        {
            "event_id": [f"e{row:06d}" for row in range(len(seconds))],
            "user_id": batch.events["user_id"].astype(str).astype(object),
            "item_id": batch.events["item_id"].astype(str).astype(object),
            "timestamp": pd.to_datetime(seconds, unit="s", utc=True),
        }
    ).sort_values("timestamp", kind="stable")
    at = events["timestamp"]
    cut = at.iloc[int(CUT * len(at))].to_pydatetime()
    return Split(
        train=events[at < cut],
        window=events[at >= cut],
        items=pd.DataFrame({"item_id": batch.items["item_id"].astype(str).astype(object)}),
        cut=cut,
        end=at.iloc[-1].to_pydatetime() + timedelta(seconds=1),
    )


def plan_of(split: Split) -> ReplayPlan:
    return plan_replay(split.train, split.window, split.items, cut=split.cut, end=split.end)


def _fit(train: pd.DataFrame, cut: datetime) -> dict[str, Arm]:
    ids = train["item_id"].to_numpy()
    seconds = train["timestamp"].dt.as_unit("s").astype("int64").to_numpy()
    per_user = train.groupby("user_id")["item_id"].agg(list)
    sequences = TrainingSequences.from_lists(per_user.tolist())
    return {
        "ease": fit_ease(sequences, EASEConfig()),
        "ease_weak": fit_ease(sequences, EASEConfig(regularization=20_000.0)),
        "popularity": fit_popularity(ids),
        "recent_popularity": fit_recent_popularity(ids, seconds, cutoff=int(cut.timestamp())),
    }


def perturbed(arm: EASEArm, noise: float, seed: int) -> EASEArm:
    """The arm with normal noise on its weights, `noise` of their own spread: another run of one model."""
    drawn = np.random.default_rng(seed).standard_normal(arm.weights.shape, dtype=np.float32)
    return EASEArm(
        item_ids=arm.item_ids, weights=arm.weights + noise * arm.weights.std() * drawn, config=arm.config
    )
