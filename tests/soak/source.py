"""A source that grows by a day a cycle: the same day is the same rows, whoever asks."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from components.data.batch import Batch, CheckedBatch
from tests.data.landing import at, batch, event, item

HISTORY_DAYS, HISTORY_EVENTS, EVENTS_A_DAY = 30, 1_500, 12
USERS, FIRST_ITEMS, DAYS_AN_ITEM = 150, 40, 4  # a new item every so many days
_DIM = 12


@dataclass(frozen=True, kw_only=True)
class Day:
    """What arrives on one day; day 0 brings the history."""

    seed: int
    number: int
    spoiled: int = 0  # events without a user, for the contracts to find

    @property
    def since_hours(self) -> float:
        return 0 if self.number == 0 else 24 * (HISTORY_DAYS + self.number - 1)

    @property
    def until_hours(self) -> float:
        return 24 * (HISTORY_DAYS + self.number)

    @property
    def end(self) -> datetime:
        return at(self.until_hours)

    def events(self) -> list[dict]:
        dice = random.Random(f"{self.seed} {self.number}")  # noqa: S311
        number = HISTORY_EVENTS if self.number == 0 else EVENTS_A_DAY
        known = num_items(self.number)
        hours = sorted(dice.uniform(self.since_hours, self.until_hours - 0.01) for _ in range(number))
        return [
            event(
                f"e{self.number}-{n}",
                user=f"person-{dice.randrange(USERS):04d}-zq",
                item=item_id(min(int(dice.expovariate(3 / known)), known - 1)),
                hours=round(hour, 3),
            )
            for n, hour in enumerate(hours)
        ]

    def items(self) -> list[dict]:
        before = 0 if self.number == 0 else num_items(self.number - 1)
        return [item(item_id(n), f"Item {n}") for n in range(before, num_items(self.number))]

    def checked(self, *, reordered: bool = False) -> CheckedBatch:
        """As the contracts hand over a day without spoiled rows; `reordered`: the same rows another way round."""
        rows = self.events()
        if reordered:
            rows = rows[::-1]
        return batch(
            *rows, items=tuple(self.items()), source="soak",
            since_hours=self.since_hours, as_of_hours=self.until_hours,
        )  # fmt: skip

    def received(self) -> Batch:
        """As it comes from the source, spoiled rows in it."""
        told = self.checked()
        events = told.events.astype(object)
        events.loc[events.index[: self.spoiled], "user_id"] = None
        return Batch(source="soak", events=events, items=told.items, event_key=())


def num_items(day: int) -> int:
    return FIRST_ITEMS + day // DAYS_AN_ITEM


def item_id(number: int) -> str:
    return f"i{number:04d}"


def vector_of(item: str) -> np.ndarray:
    """[dim] of an item: items of one cluster lie near one another."""
    number = int(item[1:])
    centre = np.random.default_rng(number % 8).normal(size=_DIM)
    return (centre + 0.5 * np.random.default_rng([7, number]).normal(size=_DIM)).astype(np.float32)
