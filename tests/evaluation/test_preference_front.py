"""Two types that are judged apart, by hand, and what is drawn where there is no second one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.evaluation.plan import ReplayPlan
from components.evaluation.preference_front import (
    MOST_USERS,
    FrontPlans,
    FrontPoint,
    PreferenceFront,
    plan_front,
    preferences_of,
)
from tests.evaluation.test_cold import known_items
from tests.evaluation.worlds import CUT, END, events

BEFORE = [("a", "w", -9.0), ("b", "w", -8.0), ("c", "z", -7.0), ("c", "x", -6.0), ("c", "y", -5.0)]
AFTER = [("a", "x", 5.0), ("a", "y", 7.0), ("b", "z", 9.0)]
TYPES = {"x": "click", "y": "purchase", "z": "click", "w": "click"}


def planned(types: dict[str, str], **changes: object) -> FrontPlans | None:
    before, after = events(BEFORE), events(AFTER)
    before, after = (frame.assign(event_type=frame["item_id"].map(types)) for frame in (before, after))
    asked: dict = {"cut": CUT, "end": END, "mode": "rolling", "filter_seen": True} | changes
    items = known_items(dict.fromkeys("wxyz", -10.0))
    return plan_front(before, after, items, asked.pop("objectives", ("click", "purchase")), **asked)


def test_each_type_is_judged_by_its_own_events_and_the_others_are_history():
    """Lists [y, z] and so on: a's click on x stands nowhere and b's on z second; a's purchase y stands first, and
    its request has read x.
    """
    plans = planned(TYPES)
    assert plans is not None
    assert plans.types == ("purchase", "click")
    assert plans.users == (1, 2)
    bought, clicked = plans.plans
    assert [bought.catalogue[item] for item in bought.items[bought.start[0] : bought.end[0]]] == ["w", "x"]
    assert [clicked.catalogue[item] for item in clicked.truth_items] == ["x", "z"]

    def lists(plan: ReplayPlan) -> np.ndarray:
        place = {item: at for at, item in enumerate(plan.catalogue)}
        return np.tile([place["y"], place["z"]], (len(plan), 1))

    point = plans.judged("arm", lists)
    assert (point.first, point.second) == (1.0, pytest.approx((0 + 1 / math.log2(3)) / 2))


def test_there_is_no_front_of_one_type():
    assert planned(dict.fromkeys("wxyz", "click")) is None
    assert planned(TYPES, objectives=("purchase",)) is None


def test_a_type_of_which_nothing_can_be_judged_gives_its_place_to_the_next():
    """Two views are the most, and all of what was seen before: no list can hold them."""
    before = events(BEFORE).assign(event_type="view")
    again = [("a", "w", 1.0), ("b", "w", 2.0), ("c", "z", 3.0)]
    after = events([*again, *AFTER])
    types = ["view"] * len(again) + [TYPES[item] for _, item, _ in AFTER]
    found = plan_front(
        before, after.assign(event_type=types), known_items(dict.fromkeys("wxyz", -10.0)),
        ("view", "click", "purchase"), cut=CUT, end=END, mode="rolling", filter_seen=True,
    )  # fmt: skip
    assert found is not None
    assert found.types == ("purchase", "click")


def test_many_users_are_drawn_the_same_ones_each_time():
    rows = [(f"u{n:04d}", "x", 5.0) for n in range(MOST_USERS + 50)] + [
        (f"u{n:04d}", "y", 6.0) for n in range(MOST_USERS + 50)
    ]
    before = events([(user, "w", -9.0) for user, item, _ in rows if item == "x"]).assign(event_type="click")
    after = events(rows)
    after = after.assign(event_type=after["item_id"].map(TYPES))
    found = [
        plan_front(
            before, after, known_items(dict.fromkeys("wxy", -10.0)), ("click", "purchase"),
            cut=CUT, end=END, mode="rolling", filter_seen=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].users == (MOST_USERS, MOST_USERS)
    np.testing.assert_array_equal(found[0].plans[0].users, found[1].plans[0].users)


def test_preferences_go_from_one_end_to_the_other():
    found = preferences_of(("purchase", "click"))
    assert list(found) == ["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"]
    assert found["0"] == "purchase=0,click=1"
    assert found["1"] == "purchase=1,click=0"


def test_the_hypervolume_is_of_the_points():
    """(.2, .4) and (.4, .2): two rectangles of .08 that share .04."""
    points = (FrontPoint(name="0", first=0.2, second=0.4), FrontPoint(name="1", first=0.4, second=0.2))
    front = PreferenceFront(types=("purchase", "click"), users=(3, 4), points=points)
    assert front.hypervolume == pytest.approx(0.12)
