"""Parts of the evidence: cold users, and positives of popular, rare and cold items, repeats and novelties.

A slice of users keeps some users; a slice of items or positives keeps some of the truth, and with it the
users who have any of it left. Users and items are told apart by what was known before the cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from components.evaluation.plan import ReplayPlan
from components.evaluation.ranking import Relevant

COLD_USER_EVENTS = 5  # a user with at most this many events before the cut is cold
COLD_ITEMS = "cold_items"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """`users` says who is in it, `items` and `positives` which of the truth count; all-true is the whole."""

    name: str
    users: Bool[np.ndarray, "U"]
    items: Bool[np.ndarray, "I"]
    positives: Bool[np.ndarray, "T"] | None = None  # None: all

    def relevant(self, plan: ReplayPlan) -> Relevant:
        """The plan's truth with only what this slice counts."""
        keep = self.items[plan.truth_items]
        if self.positives is not None:
            keep &= self.positives
        if keep.all():
            return plan.relevant
        kept = np.concatenate([[0], np.cumsum(keep)])
        return Relevant(offsets=kept[plan.truth_offsets], items=plan.truth_items[keep])


def standard_slices(plan: ReplayPlan, *, cold_user_events: int = COLD_USER_EVENTS) -> tuple[Slice, ...]:
    """cold_users; head, mid and tail: candidates by train events, each with a third of those events;

    cold_items: candidates without any; and where seen items are not filtered, repeats and novelties.
    """
    every_user = np.ones(len(plan.users), dtype=bool)
    every_item = np.ones(len(plan.catalogue), dtype=bool)
    cold = Slice(name="cold_users", users=plan.user_train_events <= cold_user_events, items=every_item)
    thirds = popularity_thirds(plan)
    by_items = {
        name: plan.candidates & (thirds == third)
        for third, name in enumerate(("head_items", "mid_items", "tail_items"))
    }
    by_items[COLD_ITEMS] = plan.candidates & (plan.item_train_events == 0)
    parts = [cold, *(Slice(name=name, users=every_user, items=items) for name, items in by_items.items())]
    if not plan.filter_seen:
        repeat = plan.truth_is_repeat
        parts += [
            Slice(name=name, users=every_user, items=every_item, positives=positives)
            for name, positives in (("repeat", repeat), ("novel", ~repeat))
        ]
    return tuple(parts)


def popularity_thirds(plan: ReplayPlan) -> np.ndarray:
    """[I] 0 for the head (the most popular items, with a third of the train events), 1 middle, 2 tail."""
    order = np.argsort(-plan.item_train_events, kind="stable")
    before = np.cumsum(plan.item_train_events[order]) - plan.item_train_events[order]
    thirds = np.empty(len(order), dtype=np.int64)
    # an item is in the third in which its first event falls
    thirds[order] = np.minimum(before * 3 // max(int(plan.item_train_events.sum()), 1), 2)
    return np.where(plan.item_train_events > 0, thirds, 2)
