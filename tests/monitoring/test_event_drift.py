"""Habits that stay alarm nobody; each planted change is found by the measure that is of it, and named."""

from __future__ import annotations

import numpy as np
import pytest

from components.monitoring.binning import kinds, numbers, popularity
from components.monitoring.event_drift import event_measures
from components.monitoring.limits import MonitorLimits
from components.monitoring.measure import Measure
from tests.monitoring.examples import CATEGORIES, CUT, NUM_ITEMS, days, fresh, stretch, training

LIMITS = MonitorLimits()
ALL = {
    "psi/user_activity", "psi/item_popularity", "psi/event_hour", "psi/event_weekday", "psi/event_type",
    "psi/event_value", "psi/item_category",
}  # fmt: skip


def measured(**changes: object) -> dict[str, Measure]:
    found = event_measures(training(), fresh(**changes), CATEGORIES, LIMITS)
    return {measure.name: measure for measure in found}


def alarms(measures: dict[str, Measure]) -> set[str]:
    return {name for name, measure in measures.items() if measure.status in ("warn", "drift")}


@pytest.mark.parametrize("seed", range(1, 13))
def test_the_same_habits_alarm_nobody(seed: int) -> None:
    found = measured(seed=seed)
    assert found.keys() == ALL
    assert alarms(found) == set()
    assert {measure.status for measure in found.values()} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"hours": (18, 24)}, "psi/event_hour"),
        ({"kind": "click"}, "psi/event_type"),
        ({"value": 4.8}, "psi/event_value"),
        ({"per_user": 60.0}, "psi/user_activity"),
        ({"items": np.where(np.arange(NUM_ITEMS) % 4 == 3, 8.0, 0.2)}, "psi/item_category"),
        ({"items": np.linspace(0.01, 4, NUM_ITEMS) ** 4}, "psi/item_popularity"),
    ],
)
def test_a_planted_change_is_named(changes: dict[str, object], name: str) -> None:
    assert measured(**changes)[name].status == "drift"


def test_few_users_clear_nobody() -> None:
    found = measured(users=20)
    assert {measure.status for measure in found.values()} == {"not evaluable"}
    assert "20 users" in found["psi/event_value"].reason


def test_less_than_a_round_of_the_clock_is_not_compared() -> None:
    """Three days hold no whole week: their weekdays would always differ."""
    short = stretch(CUT, CUT + days(3), seed=2)
    found = {m.name: m for m in event_measures(training(), short, CATEGORIES, LIMITS)}
    assert found["psi/event_weekday"].status == "not evaluable"
    assert "7 days" in found["psi/event_weekday"].reason
    assert found["psi/event_hour"].status == "ok"


def test_what_no_event_has_is_not_evaluable() -> None:
    before, now = training(), fresh()
    for part in (before, now):
        part.events["value"] = np.nan
    found = {m.name: m for m in event_measures(before, now, CATEGORIES.iloc[:0], LIMITS)}
    assert found["psi/event_value"].reason == "no event has a value"
    assert found["psi/item_category"].reason == "no item has a category"


def test_bins_are_those_of_the_reference() -> None:
    """a, b and c are named, d is rarer than one in a hundred; what nobody had before joins it."""
    reference = training().events["item_id"].iloc[:0]
    reference = reference.reindex(range(400)).fillna("a")
    reference.iloc[200:300], reference.iloc[300:397], reference.iloc[397:] = "b", "c", "d"
    bins = kinds(reference)
    assert bins.num_bins == 4
    assert bins.of(reference.iloc[[0, 250, 350, 399]]).tolist() == [0, 1, 2, 3]
    assert bins.of(reference.iloc[:1].replace("a", "new")).tolist() == [3]


def test_many_values_are_cut_into_deciles_and_a_missing_one_stands_apart() -> None:
    values = training().events["value"].iloc[:1].reindex(range(1000)).fillna(0.0) + np.arange(1000)
    bins = numbers(values)
    assert np.bincount(bins.of(values), minlength=bins.num_bins).tolist() == [100] * 10 + [0]
    values.iloc[0] = np.nan
    assert bins.of(values)[0] == 10


def test_popularity_has_the_most_popular_first_and_leaves_out_strangers() -> None:
    """Of 100 events 50 are on a: it alone is the first bin; 50 items have one each, in five bins of ten."""
    items = training().events["item_id"].iloc[:1].reindex(range(100)).fillna("a")
    items.iloc[50:] = [f"r{n:02d}" for n in range(50)]
    bins = popularity(items)
    assert bins.num_bins == 6
    assert np.bincount(bins.of(items)).tolist() == [50, 10, 10, 10, 10, 10]
    assert bins.of(items.iloc[:1].replace("a", "new")).tolist() == [-1]
