"""People drawn by seed, their lists as they were judged."""

from __future__ import annotations

from datetime import UTC

import numpy as np

from components.evaluation.plan import ReplayPlan
from components.evaluation.scores import canonical_for
from components.report.people import draw_people
from components.report.replay import PLACES
from tests.report.reported import page, world


def tops(plan: ReplayPlan, lists: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {arm: canonical_for(plan, lists[arm])[:, :PLACES] for arm in ("better", "good")}


def test_people_are_drawn_by_seed_and_shown_as_they_were_judged():
    plan, lists = world()
    shown = tops(plan, lists)
    people = draw_people(plan, shown, num_people=25, seed=7)
    assert people == draw_people(plan, shown, num_people=25, seed=7)
    assert people != draw_people(plan, shown, num_people=25, seed=8)
    assert len({person.user for person in people}) == 25
    for person in people:
        user = list(plan.users).index(person.user)
        request = next(
            r for r in np.flatnonzero(plan.user == user) if plan.request_time[r] == person.moment.timestamp()
        )
        assert person.moment.tzinfo is UTC
        assert person.lists["good"] == tuple(i for i in shown["good"][request].tolist() if i >= 0)
        assert person.history[0] == plan.items[plan.end[request] - 1]  # latest first
        assert person.num_history == plan.end[request] - plan.start[request]


def test_hits_are_marked_where_they_stand():
    plan, lists = world()
    people = draw_people(plan, tops(plan, lists), num_people=30, seed=7)
    hits = sum(person.hits(arm) for person in people for arm in person.lists)
    assert hits > 0
    assert page().count('<li class="hit">') == page().count("✓ hit") == hits


def test_the_reader_is_told_all_hits_and_who_differs():
    plan, lists = world()
    people = draw_people(plan, tops(plan, lists), num_people=30, seed=7)
    totals = ", ".join(f"{arm} {sum(person.hits(arm) for person in people)}" for arm in people[0].lists)
    assert f"30 users shown, hits in ten: {totals}<" in page()
    differing = sum(len({person.hits(arm) for arm in person.lists}) > 1 for person in people)
    assert 0 < differing < 30
    assert page().count(" data-differs") == differing


def test_more_people_than_there_are_is_everybody():
    plan, lists = world()
    assert len(draw_people(plan, tops(plan, lists), num_people=10_000, seed=7)) == len(plan.users)
