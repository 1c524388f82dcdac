"""Lists a person can judge: what some users had done, what came next, and what each arm would have shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from jaxtyping import Int

from components.evaluation.plan import ReplayPlan
from components.report.templates import Markup, note, render
from components.report.thumbnails import Thumbnails

HISTORY = 10  # items of a history shown, latest first
_HIT = "✓ hit"
OPEN = 2  # people whose lists stand open when the page is


@dataclass(frozen=True, kw_only=True)
class Person:
    """One user at one moment. Items are positions in the plan's catalogue."""

    user: str
    moment: datetime  # UTC
    num_history: int
    history: tuple[int, ...]  # latest first, at most HISTORY
    truth: tuple[int, ...]
    lists: Mapping[str, tuple[int, ...]]  # arm -> top ten, best first

    @property
    def items(self) -> tuple[int, ...]:
        return (*self.history, *self.truth, *(item for top in self.lists.values() for item in top))

    def hits(self, arm: str) -> int:
        return len(set(self.truth) & set(self.lists[arm]))

    @property
    def differs(self) -> bool:
        """Whether the arms hit a different number of items."""
        return len({self.hits(arm) for arm in self.lists}) > 1


def draw_people(
    plan: ReplayPlan, tops: Mapping[str, Int[np.ndarray, "R k"]], *, num_people: int, seed: int
) -> list[Person]:
    """Users drawn by seed, and of each one request, in the order of their ids.

    `tops` are the arms to show side by side, lists canonical.
    """
    generator = np.random.default_rng(seed)
    drawn = np.sort(generator.permutation(len(plan.users))[:num_people])
    requests = [int(generator.choice(np.flatnonzero(plan.user == user))) for user in drawn]
    return [_person(plan, tops, int(user), request) for user, request in zip(drawn, requests, strict=True)]


def _person(plan: ReplayPlan, tops: Mapping[str, np.ndarray], user: int, request: int) -> Person:
    start, end = int(plan.start[request]), int(plan.end[request])
    truth = plan.truth_items[plan.truth_offsets[request] : plan.truth_offsets[request + 1]]
    return Person(
        user=str(plan.users[user]),
        moment=datetime.fromtimestamp(int(plan.request_time[request]), UTC),
        num_history=end - start,
        history=tuple(plan.items[max(start, end - HISTORY) : end][::-1].tolist()),
        truth=tuple(sorted(truth.tolist())),
        lists={arm: tuple(item for item in top[request].tolist() if item >= 0) for arm, top in tops.items()},
    )


def people(
    drawn: Sequence[Person],
    plan: ReplayPlan,
    titles: Mapping[str, str],
    images: Thumbnails,
    *,
    seed: int,
) -> Markup:
    """A search by user, and a card a person."""
    if not drawn:
        return note("No user was asked for.")
    write = _Writer(plan=plan, titles=titles, images=images)
    left_out = images.wanted - len(images.classes)
    told = (
        f"{len(drawn)} of {len(plan.users):,} users, drawn with seed {seed}, and of each one moment. A hit is an "
        "item of the list that the user came to next; most lists have none, since ten places stand against "
        f"{int(plan.candidates.sum()):,} candidates."
    )
    if left_out:
        told += f" {left_out} images that are seldom shown are left out, to keep the page small."
    hits = {arm: sum(person.hits(arm) for person in drawn) for arm in drawn[0].lists}
    return render(
        "people",
        told=told,
        num_differing=sum(person.differs for person in drawn),
        totals=_listed(hits),
        cards=[write.card(person, is_open=n < OPEN) for n, person in enumerate(drawn)],
    )


def _listed(hits: Mapping[str, int]) -> str:
    return ", ".join(f"{arm} {num}" for arm, num in hits.items())


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """An item of a list."""

    title: str
    rank: int | None
    image: str  # class; "" for none
    mark: str  # in words
    is_hit: bool


@dataclass(frozen=True, kw_only=True)
class _Column:
    name: str
    told: str
    is_ranked: bool
    entries: Sequence[_Entry]


@dataclass(frozen=True, kw_only=True)
class _Card:
    """What stands of one person; open or to be opened."""

    person: Person
    hits: str
    counted: str  # JSON, for the page's script
    is_open: bool
    lists: Sequence[_Column]


@dataclass(frozen=True, kw_only=True)
class _Writer:
    plan: ReplayPlan
    titles: Mapping[str, str]
    images: Thumbnails

    def card(self, person: Person, *, is_open: bool) -> _Card:
        hits = {arm: person.hits(arm) for arm in person.lists}
        columns = [
            self._column("Before", f"{person.num_history:,} in all, latest first", person.history),
            self._column("What came next", "the truth that lists are held to", person.truth, is_truth=True),
            *(
                self._column(arm, f"{hits[arm]} of {len(person.truth)} hit", top, truth=person.truth)
                for arm, top in person.lists.items()
            ),
        ]
        return _Card(
            person=person, hits=_listed(hits), counted=json.dumps(hits), is_open=is_open, lists=columns
        )

    def _column(
        self,
        name: str,
        told: str,
        items: Sequence[int],
        *,
        truth: Sequence[int] | None = None,
        is_truth: bool = False,
    ) -> _Column:
        """Ranked, with hits marked, where `truth` is given."""
        entries = [
            self._entry(item, rank if truth is not None else None, self._mark(item, truth, is_truth))
            for rank, item in enumerate(items, start=1)
        ]
        return _Column(name=name, told=told, is_ranked=truth is not None, entries=entries)

    def _mark(self, item: int, truth: Sequence[int] | None, is_truth: bool) -> str:
        if truth is not None and item in truth:
            return _HIT
        return "not a candidate" if is_truth and not self.plan.candidates[item] else ""

    def _entry(self, item: int, rank: int | None, mark: str) -> _Entry:
        item_id = str(self.plan.catalogue[item])
        return _Entry(
            title=self.titles.get(item_id) or item_id,
            rank=rank,
            image=self.images.classes.get(item_id, ""),
            mark=mark,
            is_hit=mark == _HIT,
        )
