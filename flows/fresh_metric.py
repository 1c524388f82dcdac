"""The champion's NDCG@10 on events that came after its own replay window, by the replay's own rules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from prefect import task

from components.artifact import ArtifactRef, digest_of, verified
from components.data import snapshot
from components.evaluation.plan import EmptyWindow, Mode, plan_replay
from components.evaluation.scores import score_replay
from components.event_weights import read_event_weights
from components.recommender.loading import load_arm
from flows.judging import USERS
from flows.local.console import progress_bar
from flows.replay_window import histories_of
from flows.settings import load_settings
from flows.stages import StageResult, key_of, run_once

METRIC = "ndcg@10"
_PLACES = 10
_SEED = 7


@dataclass(frozen=True, kw_only=True)
class FreshMetric:
    """A digest stands for each user: the journal is no place that erasure reaches."""

    values: dict[str, float]  # user -> NDCG@10, mean over the user's requests
    num_users: int  # with an event in the window, asked or not
    num_requests: int

    @property
    def note(self) -> str:
        mean = sum(self.values.values()) / len(self.values) if self.values else math.nan
        asked = f"{len(self.values):,} of {self.num_users:,} users, {self.num_requests:,} lists"
        return f"{METRIC} {mean:.4f} on fresh events: {asked}"


@task(task_run_name="measure-champion-on-fresh-events")
def measure_fresh(
    run: str, bundle: ArtifactRef, history: ArtifactRef, fresh: ArtifactRef, start: datetime, end: datetime,
    mode: Mode, filter_seen: bool, max_users: int, event_weights: str = "",
) -> StageResult[FreshMetric]:  # fmt: skip
    """Lists for at most `max_users`, drawn by seed; histories grow, as in the replay."""
    key = key_of(
        measure_fresh, "measure champion", run=run,
        reads={"bundle": bundle, "history": history, "fresh": fresh},
        facts={"start": start.isoformat(), "end": end.isoformat(), "mode": mode, "filter_seen": filter_seen,
               "max_users": max_users, **({"event_weights": event_weights} if event_weights else {}),
               **load_settings().ranked_on},
    )  # fmt: skip

    def work() -> FreshMetric:
        events = snapshot.read_events(fresh)
        users = np.unique(events["user_id"].to_numpy(dtype=object))
        drawn = np.random.default_rng(_SEED).permutation(users)[:max_users]
        try:
            plan = plan_replay(
                snapshot.read_events(history),
                events[events["user_id"].isin(drawn)],
                snapshot.read_items(history),
                cut=start,
                end=end,
                mode=mode,
                filter_seen=filter_seen,
                event_weights=read_event_weights(event_weights),
            )
        except EmptyWindow:  # of events that weigh 0 alone: nothing came that lists could be judged by
            return FreshMetric(values={}, num_users=len(users), num_requests=0)
        verified(bundle.path)
        arm = load_arm(Path(bundle.path) / "arm", load_settings().compute)
        with progress_bar("champion on fresh events", total=len(plan)) as bar:
            lists = arm.recommend(
                histories_of(plan, slice(None)), k=_PLACES, candidates=plan.candidates, exclude_seen=filter_seen,
                on_step=lambda done, total: bar(done, total, {}),
            ).items  # fmt: skip
        scores = score_replay(plan, {"champion": lists}, metrics=(METRIC,))
        values = by_user(pd.DataFrame({"user": scores.users, METRIC: scores.of("champion", METRIC)}))
        return FreshMetric(values=values, num_users=len(users), num_requests=len(plan))

    return run_once(key, FreshMetric, work, computes=True)


def own_window(replay: ArtifactRef, arm: str) -> dict[str, float] | None:
    """What an arm was worth to each user in a published replay; None where it keeps no table of users."""
    if USERS not in verified(replay.path)["files"]:
        return None
    table = pd.read_parquet(Path(replay.path) / USERS)
    return by_user(table[table["arm"] == arm])


def by_user(table: pd.DataFrame) -> dict[str, float]:
    """A digest of each user -> the metric; users without a value are left out."""
    told = table[table[METRIC].notna()]
    return {
        digest_of(str(user))[:12]: float(value)
        for user, value in zip(told["user"], told[METRIC], strict=True)
    }
