"""A window that cannot answer what a profile asks is said to be so before the arms are asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from components.evaluation.gate import production, small
from components.evaluation.plan import ReplayPlan, plan_replay
from components.evaluation.underpowered import why_underpowered

CUT = datetime(2024, 1, 1, tzinfo=UTC)


def window(num_users: int) -> ReplayPlan:
    """Everybody has one event before the cut and takes another item after it."""
    items = np.array([f"i{n:03d}" for n in range(80)], dtype=object)
    drawn = np.random.default_rng(3).integers(0, len(items), num_users)

    def events(moment: datetime, taken: np.ndarray) -> pd.DataFrame:
        users = [f"u{n:05d}" for n in range(num_users)]
        return pd.DataFrame(
            {
                "event_id": [f"{user}-{moment:%d}" for user in users],
                "user_id": users,
                "item_id": items[taken],
                "timestamp": pd.Timestamp(moment),
            }
        )

    before, after = CUT - timedelta(days=1), CUT + timedelta(days=1)
    catalogue = pd.DataFrame({"item_id": items, "available_at": pd.Timestamp(before)})
    return plan_replay(
        events(before, drawn),
        events(after, (drawn + 1) % len(items)),
        catalogue,
        cut=CUT,
        end=CUT + timedelta(days=2),
    )


def lists_on(plan: ReplayPlan) -> dict[str, np.ndarray]:
    """Popularity names the same hundred places for all; random draws them."""
    width, generator = 100, np.random.default_rng(7)
    first = np.full((len(plan), width), -1)
    first[:, : len(plan.catalogue)] = np.arange(len(plan.catalogue))
    drawn = first.copy()
    for row in drawn:
        generator.shuffle(row[: len(plan.catalogue)])
    return {"popularity": first, "random": drawn}


def test_too_few_users_are_named_with_what_the_profile_asks():
    plan = window(30)
    why = why_underpowered(plan, lists_on(plan), small())
    assert why is not None
    assert why.startswith("profile small: ")
    assert "the window holds 30" in why


def test_a_wide_spread_hides_what_is_of_interest():
    """Users' differences spread by a quarter, and production looks for a fifth of a percent."""
    plan = window(6_000)
    why = why_underpowered(plan, lists_on(plan), production())
    assert why is not None
    assert "the effect of interest, 0.002, would need" in why


def test_where_users_do_not_differ_nothing_is_said():
    plan = window(6_000)
    lists = lists_on(plan)
    assert why_underpowered(plan, {**lists, "random": lists["popularity"]}, production()) is None
