"""Small worlds of events for the replay's tests."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from components.evaluation.plan import ReplayPlan, plan_replay

CUT = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2024, 3, 1, tzinfo=UTC)


def events(rows: list[tuple[str, str, float]]) -> pd.DataFrame:
    """Rows of (user, item, seconds after the cut; before it if negative)."""
    return pd.DataFrame(
        {
            "event_id": [f"e{n:05d}" for n in range(len(rows))],
            "user_id": pd.Series([user for user, _, _ in rows], dtype=object),
            "item_id": pd.Series([item for _, item, _ in rows], dtype=object),
            "timestamp": pd.Series(
                pd.to_datetime([round((CUT.timestamp() + s) * 1e6) for _, _, s in rows], unit="us", utc=True)
            ).dt.as_unit("us"),
        }
    )


def items_of(*frames: pd.DataFrame) -> pd.DataFrame:
    known = sorted({item for frame in frames for item in frame["item_id"]})
    return pd.DataFrame({"item_id": pd.Series(known, dtype=object)})


def plan_of(rows: list[tuple[str, str, float]], **options: object) -> ReplayPlan:
    """Split the rows at the cut and plan."""
    before, after = [r for r in rows if r[2] < 0], [r for r in rows if r[2] >= 0]
    train, window = events(before), events(after)
    return plan_replay(train, window, items_of(train, window), cut=CUT, end=END, **options)  # type: ignore[arg-type]


def busy_world(*, num_users: int = 260, num_items: int = 60, seed: int = 5) -> tuple[ReplayPlan, np.ndarray]:
    """A plan of returning users, and what each request is about to bring (the first item of its truth)."""
    generator = np.random.default_rng(seed)
    taste = generator.dirichlet(np.full(num_items, 0.3), size=num_users)
    rows = []
    for user in range(num_users):
        picked = generator.choice(
            num_items, size=14, replace=False, p=(taste[user] + 1e-4) / (taste[user] + 1e-4).sum()
        )
        seconds = np.concatenate(
            [-np.sort(generator.integers(10, 10**6, 7))[::-1], np.sort(generator.integers(0, 10**6, 7))]
        )
        rows += [(f"u{user:03d}", f"i{item:02d}", float(s)) for item, s in zip(picked, seconds, strict=True)]
    plan = plan_of(rows)
    return plan, plan.truth_items[plan.truth_offsets[:-1]]


def lists_with_hits(
    plan: ReplayPlan, answers: np.ndarray, *, hit_rate: float, width: int = 50, seed: int = 0
) -> np.ndarray:
    """Random lists into whose first ten places the answer is put for a share of the requests."""
    generator = np.random.default_rng(seed)
    lists = np.argsort(generator.random((len(plan), len(plan.catalogue))), axis=1)[:, :width]
    lists = np.where(lists == answers[:, None], -1, lists)  # hit only where planted
    planted = np.flatnonzero(generator.random(len(plan)) < hit_rate)
    lists[planted, generator.integers(0, 10, len(planted))] = answers[planted]
    return lists
