"""Lists a person can judge: what some users had done, what came next, and what each arm would have shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from jaxtyping import Int

from components.evaluation.plan import ReplayPlan
from components.report.text import safe, titled
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
) -> str:
    """A search by user, and a card a person."""
    if not drawn:
        return '<p class="note">No user was asked for.</p>'
    write = _Writer(plan=plan, titles=titles, images=images)
    left_out = images.wanted - len(images.classes)
    note = (
        f"{len(drawn)} of {len(plan.users):,} users, drawn with seed {seed}, and of each one moment. A hit is an "
        "item of the list that the user came to next; most lists have none, since ten places stand against "
        f"{int(plan.candidates.sum()):,} candidates."
    )
    if left_out:
        note += f" {left_out} images that are seldom shown are left out, to keep the page small."
    num_differing = sum(person.differs for person in drawn)
    hits = {arm: sum(person.hits(arm) for person in drawn) for arm in drawn[0].lists}
    totals = ", ".join(f"{arm} {num}" for arm, num in hits.items())
    search = (
        '<div class="search" role="search"><label for="find-user">Find a user</label>'
        '<input id="find-user" type="search" autocomplete="off" spellcheck="false" '
        'aria-controls="people-drawn" aria-describedby="found-users">'
        '<label><input id="only-differing" type="checkbox" aria-controls="people-drawn"> only the '
        f"{num_differing} whom the arms hit differently often</label>"
        '<output id="found-users" for="find-user only-differing" aria-live="polite">'
        f"{len(drawn)} users shown, hits in ten: {safe(totals, 400)}</output></div>"
    )
    cards = "".join(write.card(person, is_open=n < OPEN) for n, person in enumerate(drawn))
    return f'<p class="note">{safe(note, 800)}</p>{search}<div id="people-drawn">{cards}</div>'


@dataclass(frozen=True, kw_only=True)
class _Writer:
    plan: ReplayPlan
    titles: Mapping[str, str]
    images: Thumbnails

    def card(self, person: Person, *, is_open: bool) -> str:
        hits = ", ".join(f"{safe(arm)} {person.hits(arm)}" for arm in person.lists)
        counted = json.dumps({arm: person.hits(arm) for arm in person.lists})
        columns = [
            self._column("Before", f"{person.num_history:,} in all, latest first", person.history),
            self._column("What came next", "the truth that lists are held to", person.truth, is_truth=True),
            *(
                self._column(arm, f"{person.hits(arm)} of {len(person.truth)} hit", top, truth=person.truth)
                for arm, top in person.lists.items()
            ),
        ]
        return (
            f'<details class="person" data-user="{safe(person.user)}" data-hits="{safe(counted, 1000)}"'
            f"{' data-differs' if person.differs else ''}{' open' if is_open else ''}>"
            f"<summary><strong>User {titled(person.user)}</strong><span>{person.moment:%d %b %Y, %H:%M} UTC</span>"
            f"<span>hits in ten: {hits}</span></summary>"
            f'<div class="lists">{"".join(columns)}</div></details>'
        )

    def _column(
        self,
        name: str,
        told: str,
        items: Sequence[int],
        *,
        truth: Sequence[int] | None = None,
        is_truth: bool = False,
    ) -> str:
        """Ranked, with hits marked, where `truth` is given."""
        tag = "ul" if truth is None else "ol"
        rows = "".join(
            self._row(item, rank if truth is not None else None, self._mark(item, truth, is_truth))
            for rank, item in enumerate(items, start=1)
        )
        empty = '<p class="note">No list.</p>' if truth is not None and not items else ""
        return f"<div><h3>{safe(name)} <small>{safe(told)}</small></h3><{tag}>{rows}</{tag}>{empty}</div>"

    def _mark(self, item: int, truth: Sequence[int] | None, is_truth: bool) -> str:
        if truth is not None and item in truth:
            return _HIT
        return "not a candidate" if is_truth and not self.plan.candidates[item] else ""

    def _row(self, item: int, rank: int | None, mark: str) -> str:
        item_id = str(self.plan.catalogue[item])
        place = f'<span class="rank">{rank}</span>' if rank else ""
        told = f"<b>{mark}</b>" if mark else ""
        return (
            f"<li{' class=hit' if mark == _HIT else ''}>{place}{self.images.of(item_id)}"
            f'<span class="title">{titled(self.titles.get(item_id) or item_id)}{told}</span></li>'
        )
