"""What users do now against what they did before the champion's cut: stability of the population, event by event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from components.monitoring.binning import Bins, kinds, numbers, popularity
from components.monitoring.limits import MonitorLimits
from components.monitoring.measure import Found, Measure, Question, judged, not_evaluable
from components.monitoring.stability import Stability, counts_by_user, population_stability

_HOURS = 3  # of a bin of the day
_WHAT = "population stability index"


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Events of [start, end): user_id, item_id, event_type, timestamp (UTC), value."""

    events: pd.DataFrame
    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def last(self, length: timedelta) -> Stretch:
        start = max(self.start, self.end - length)
        return Stretch(events=self.events[self.events["timestamp"] >= start], start=start, end=self.end)

    def without_last(self, length: timedelta) -> Stretch:
        end = max(self.start, self.end - length)
        return Stretch(events=self.events[self.events["timestamp"] < end], start=self.start, end=end)


def event_measures(
    training: Stretch, current: Stretch, categories: pd.Series, limits: MonitorLimits
) -> tuple[Measure, ...]:
    """Activity, hour, weekday, popularity, type, value and categories, each as a PSI with its noise.

    `categories` maps an item id to its categories, joined by |. Activity and popularity depend on how long one
    looks: there the end of the training is taken, as long as the current stretch and at most half of the whole.
    What is popular is told by the time before that end, so that neither sample has chosen its own bins.
    """
    length = min(current.length, training.length / 2)
    before, late, now = training.without_last(length), training.last(length), current.last(length)
    stated = {item: str(own).split("|") for item, own in categories.dropna().items() if own}
    return (
        _judged(_question("user_activity", "Events per user", "users"), _activity(late, now, limits), limits),
        _judged(
            _question("item_popularity", "Item popularity"), _popularity(before, late, now, limits), limits
        ),
        _of_clock("event_hour", "Hour of the day", training, current, timedelta(days=1), _hour, limits),
        _of_clock("event_weekday", "Weekday", training, current, timedelta(days=7), _weekday, limits),
        _of_column("event_type", "Event type", training, current, "event_type", kinds, limits),
        _of_column("event_value", "Value, such as a rating", training, current, "value", numbers, limits),
        _of_categories(training, current, stated, limits),
    )


def _question(name: str, title: str, unit: str = "events") -> Question:
    return Question(name=f"psi/{name}", group="events", title=title, meaning=_WHAT, unit=unit)


def _judged(question: Question, found: Stability, limits: MonitorLimits) -> Measure:
    if found.num_users < limits.min_users:
        reason = f"{found.num_users:,} users in one of the samples, at least {limits.min_users:,} are needed"
        return not_evaluable(question, limits.psi, reason)
    few = limits.min_users if question.unit == "users" else limits.min_events
    return judged(
        question,
        Found(
            reference=found.expected, current=found.psi, value=found.psi, noise=found.noise,
            num_reference=found.num_reference, num_current=found.num_current, fewest=few,
        ),
        limits.psi,
    )  # fmt: skip


def _compare(
    reference: pd.DataFrame, current: pd.DataFrame, column: str, bins: Bins, alpha: float
) -> Stability:
    counts = [
        counts_by_user(events["user_id"], bins.of(events[column]), num_bins=bins.num_bins)
        for events in (reference, current)
    ]
    return population_stability(counts[0], counts[1], alpha=alpha)


def _activity(late: Stretch, now: Stretch, limits: MonitorLimits) -> Stability:
    """Users by how much they did in equally long stretches; one row a user."""
    samples = [
        pd.DataFrame({"user_id": counts.index, "count": counts.to_numpy(dtype=float)})
        for counts in (stretch.events["user_id"].value_counts() for stretch in (late, now))
    ]
    return _compare(samples[0], samples[1], "count", numbers(samples[0]["count"]), limits.alpha)


def _popularity(before: Stretch, late: Stretch, now: Stretch, limits: MonitorLimits) -> Stability:
    if before.events.empty:
        return population_stability(
            np.zeros((0, 1), dtype=int), np.zeros((0, 1), dtype=int), alpha=limits.alpha
        )
    return _compare(late.events, now.events, "item_id", popularity(before.events["item_id"]), limits.alpha)


def _of_column(
    name: str, title: str, training: Stretch, current: Stretch, column: str,
    choose: Callable[[pd.Series], Bins], limits: MonitorLimits,
) -> Measure:  # fmt: skip
    question = _question(name, title)
    if not (training.events[column].notna().any() or current.events[column].notna().any()):
        return not_evaluable(question, limits.psi, f"no event has a {column}")
    bins = choose(training.events[column])
    return _judged(question, _compare(training.events, current.events, column, bins, limits.alpha), limits)


def _of_clock(
    name: str, title: str, training: Stretch, current: Stretch, whole: timedelta,
    bins: Callable[[pd.Series], Bins], limits: MonitorLimits,
) -> Measure:  # fmt: skip
    """A stretch that is no whole round of the clock differs from the training by what it leaves out."""
    question = _question(name, title)
    if min(training.length, current.length) < whole:
        reason = f"{min(training.length, current.length)} is less than a round of {whole.days} days"
        return not_evaluable(question, limits.psi, reason)
    chosen = bins(training.events["timestamp"])
    return _judged(
        question, _compare(training.events, current.events, "timestamp", chosen, limits.alpha), limits
    )


def _hour(_: pd.Series) -> Bins:
    return Bins(num_bins=24 // _HOURS, of=lambda times: (times.dt.hour // _HOURS).to_numpy())


def _weekday(_: pd.Series) -> Bins:
    return Bins(num_bins=7, of=lambda times: times.dt.weekday.to_numpy())


def _of_categories(
    training: Stretch, current: Stretch, stated: dict[str, list[str]], limits: MonitorLimits
) -> Measure:
    """An event counts in every category of its item; items without any stand apart."""
    question = _question("item_category", "Item categories")
    if not stated:
        return not_evaluable(question, limits.psi, "no item has a category")
    pairs = [
        pd.DataFrame({"user_id": s.events["user_id"], "category": s.events["item_id"].map(stated)}).explode(
            "category"
        )
        for s in (training, current)
    ]
    named = [sample.fillna({"category": ""}) for sample in pairs]
    chosen = kinds(named[0]["category"])
    return _judged(question, _compare(named[0], named[1], "category", chosen, limits.alpha), limits)
