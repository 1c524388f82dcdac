"""One measure of drift: what it was, what it is, what chance alone would show, and what that makes of it.

Every measure is turned so that more is worse. Two things must hold for an alarm: the change is large enough to
matter (a threshold that a person sets), and larger than what the sample shows where nothing has changed (its
noise, at a stated chance). A small batch alarms nobody, and clears nobody either: where its noise lies above the
threshold, a drift of that size could not be told from chance, and the measure is not evaluable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "drift", "not evaluable"]
Group = Literal["events", "items", "tokenizer", "metric"]
_WORST_FIRST: tuple[Status, ...] = ("drift", "warn", "ok", "not evaluable")


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """From `warn` on a person should look; from `drift` on the model should be retrained."""

    warn: float
    drift: float

    def __post_init__(self) -> None:
        if not 0 < self.warn <= self.drift:
            raise ValueError(f"warn {self.warn:g} is not above 0 and at most drift {self.drift:g}")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a measure asks, in words that stand on the page."""

    name: str  # as in JSON and history, such as psi/event_hour
    group: Group
    title: str
    meaning: str  # what `value` is
    unit: str  # of the rows that were counted


@dataclass(frozen=True, kw_only=True)
class Found:
    """`value` is held against the thresholds; `noise` is exceeded with the stated chance where nothing changed."""

    reference: float
    current: float
    value: float
    noise: float
    num_reference: int
    num_current: int
    fewest: int  # rows of either sample below which nothing is concluded


@dataclass(frozen=True, kw_only=True)
class Measure:
    """JSON values only: it is kept. What could not be measured is None, and `reason` says why."""

    name: str
    group: Group
    title: str
    meaning: str
    unit: str
    reference: float | None
    current: float | None
    value: float | None
    noise: float | None
    warn: float
    drift: float
    num_reference: int
    num_current: int
    status: Status
    reason: str


def judged(question: Question, found: Found, threshold: Threshold) -> Measure:
    """Hold what was found against the threshold and against chance. A figure that is not finite is no "ok"."""
    status, reason = _status(question, found, threshold)
    return Measure(
        **vars(question),
        reference=_finite(found.reference),
        current=_finite(found.current),
        value=_finite(found.value),
        noise=_finite(found.noise),
        warn=threshold.warn,
        drift=threshold.drift,
        num_reference=found.num_reference,
        num_current=found.num_current,
        status=status,
        reason=reason,
    )


def not_evaluable(question: Question, threshold: Threshold, reason: str) -> Measure:
    """A measure whose question cannot be asked of this data."""
    return Measure(
        **vars(question), reference=None, current=None, value=None, noise=None, warn=threshold.warn,
        drift=threshold.drift, num_reference=0, num_current=0, status="not evaluable", reason=reason,
    )  # fmt: skip


def worst(measures: Iterable[Measure]) -> Status:
    """The status of them all: drift if one drifts, ok only if one is ok and none is worse."""
    found = {measure.status for measure in measures}
    return next((status for status in _WORST_FIRST if status in found), "not evaluable")


def _status(question: Question, found: Found, threshold: Threshold) -> tuple[Status, str]:
    rows = min(found.num_reference, found.num_current)
    if rows < found.fewest:
        return "not evaluable", f"{rows:,} {question.unit}, at least {found.fewest:,} are needed"
    if not (math.isfinite(found.value) and math.isfinite(found.noise)):
        return "not evaluable", "no finite value comes of these rows"
    is_real = found.value > found.noise
    if found.value >= threshold.drift and is_real:
        return (
            "drift",
            f"{found.value:.3g} is at least {threshold.drift:g}, and chance alone shows {_chance(found)}",
        )
    if found.noise > threshold.drift:
        return "not evaluable", (
            f"chance alone shows {_chance(found)} on so few {question.unit}: a drift of {threshold.drift:g} could "
            "not be told from it"
        )
    if found.value >= threshold.warn and is_real:
        return (
            "warn",
            f"{found.value:.3g} is at least {threshold.warn:g}, and chance alone shows {_chance(found)}",
        )
    return "ok", (
        f"{found.value:.3g} is below {threshold.warn:g}"
        if found.value < threshold.warn
        else f"{found.value:.3g} is within what chance alone shows, {_chance(found)}"
    )


def _chance(found: Found) -> str:
    return f"at most {found.noise:.2g}" if found.noise > 0 else "none"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
