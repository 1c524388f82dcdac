"""Events of a population whose habits are known; users have tastes of their own, so that events are not independent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from components.monitoring.event_drift import Stretch

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
CUT = datetime(2024, 3, 1, tzinfo=UTC)
END = datetime(2024, 3, 31, tzinfo=UTC)
NUM_ITEMS = 60
CATEGORIES = pd.Series({f"i{item:02d}": f"c{item % 4}|all" for item in range(NUM_ITEMS)})


def counts(rng: np.random.Generator, users: int, base: np.ndarray, *, taste: float = 0.5) -> np.ndarray:
    """[users, bins]: each user draws its events, twenty or so, from shares of its own about `base`."""
    shares = rng.dirichlet(taste * base * len(base), size=users)
    sizes = 1 + rng.poisson(rng.gamma(1.0, 20.0, size=users))
    return np.array([rng.multinomial(size, own) for size, own in zip(sizes, shares, strict=True)])


def stretch(
    start: datetime, end: datetime, *, users: int = 300, seed: int = 0, items: np.ndarray | None = None,
    hours: tuple[int, int] = (0, 24), kind: str = "rating", value: float = 3.0, per_user: float = 12.0,
) -> Stretch:  # fmt: skip
    """Users with hours and items of their own; `items` are shares of the 60 items."""
    rng = np.random.default_rng(seed)
    base = np.linspace(2, 0.5, NUM_ITEMS) if items is None else items
    taste = rng.dirichlet(20 * base / base.sum(), size=users)
    size = 1 + rng.poisson(per_user, size=users)
    user = np.repeat(np.arange(users), size)
    days = rng.integers(0, max((end - start).days, 1), size=len(user))
    habit = rng.integers(*hours, size=users)[user]
    hour = np.where(rng.random(len(user)) < 0.5, habit, rng.integers(*hours, size=len(user)))
    at = pd.Timestamp(start) + pd.to_timedelta(days * 24 + hour, unit="h")
    item = np.concatenate([rng.choice(NUM_ITEMS, n, p=own) for n, own in zip(size, taste, strict=True)])
    events = pd.DataFrame(
        {
            "user_id": [f"u{n}" for n in user],
            "item_id": [f"i{n:02d}" for n in item],
            "event_type": kind,
            "timestamp": at,
            "value": np.clip(np.rint(rng.normal(value, 1, len(user))), 1, 5),
        }
    )
    return Stretch(events=events.sort_values("timestamp"), start=start, end=end)


def training(**changes: object) -> Stretch:
    return stretch(BEGIN, CUT, per_user=24.0, **changes)  # type: ignore[arg-type]


def fresh(**changes: object) -> Stretch:
    return stretch(CUT, END, **{"seed": 1, **changes})  # type: ignore[arg-type]


def days(number: int) -> timedelta:
    return timedelta(days=number)
