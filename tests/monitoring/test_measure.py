"""Both must hold for an alarm: large enough, and beyond chance. What cannot fail is never ok."""

from __future__ import annotations

import math

import pytest

from components.monitoring.limits import MonitorLimits
from components.monitoring.measure import Found, Question, Threshold, judged, not_evaluable, worst

QUESTION = Question(name="psi/x", group="events", title="X", meaning="psi", unit="events")
BOUNDS = Threshold(warn=0.1, drift=0.25)


def found(value: float, noise: float, rows: int = 1000) -> Found:
    return Found(
        reference=0.0,
        current=value,
        value=value,
        noise=noise,
        num_reference=1000,
        num_current=rows,
        fewest=200,
    )


@pytest.mark.parametrize(
    ("value", "noise", "rows", "status"),
    [
        (0.05, 0.01, 1000, "ok"),
        (0.15, 0.01, 1000, "warn"),
        (0.15, 0.20, 1000, "ok"),  # within chance, and chance would not hide a drift
        (0.25, 0.01, 1000, "drift"),
        (0.40, 0.30, 1000, "drift"),  # chance is wide, and this lies beyond it
        (0.05, 0.30, 1000, "not evaluable"),  # a drift of .25 could not be told
        (0.28, 0.30, 1000, "not evaluable"),
        (9.99, 0.01, 199, "not evaluable"),  # too few rows
        (math.nan, 0.01, 1000, "not evaluable"),
        (0.05, math.inf, 1000, "not evaluable"),
    ],
)
def test_a_status_needs_size_and_significance(value: float, noise: float, rows: int, status: str) -> None:
    measure = judged(QUESTION, found(value, noise, rows), BOUNDS)
    assert measure.status == status
    assert measure.reason


def test_what_is_kept_is_json() -> None:
    measure = judged(QUESTION, found(math.nan, math.inf), BOUNDS)
    assert (measure.value, measure.noise) == (None, None)


def test_the_worst_decides_and_nothing_evaluable_is_not_ok() -> None:
    ok, drift = (judged(QUESTION, found(value, 0.01), BOUNDS) for value in (0.01, 0.5))
    unknown = not_evaluable(QUESTION, BOUNDS, "no rows")
    assert worst([ok, drift, unknown]) == "drift"
    assert worst([ok, unknown]) == "ok"
    assert worst([unknown]) == worst([]) == "not evaluable"


@pytest.mark.parametrize("bounds", [(0.0, 0.1), (0.3, 0.2), (-1.0, 0.2)])
def test_bounds_that_mean_nothing_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="warn"):
        Threshold(warn=bounds[0], drift=bounds[1])


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"alpha": 0.5}, {"min_users": 1}])
def test_limits_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MonitorLimits(**wrong)  # type: ignore[arg-type]
