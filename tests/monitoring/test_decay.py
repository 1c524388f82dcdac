"""A metric that fell is found, one that stayed is not; users are the unit."""

from __future__ import annotations

import numpy as np
import pytest

from components.monitoring.decay import decay_measure
from components.monitoring.limits import MonitorLimits

LIMITS = MonitorLimits()


def users(mean: float, number: int, seed: int, first: int = 0) -> dict[str, float]:
    values = np.random.default_rng(seed).beta(2 * mean / (1 - mean), 2, size=number)
    return {f"u{first + n}": float(value) for n, value in enumerate(values)}


def test_worked_example() -> None:
    """Means .4 and .3: a fall of a quarter. Standard deviation .1 each, 100 users: .0141 of .4, 3.09 times: .109."""
    then = {f"a{n}": 0.3 + 0.2 * (n % 2) for n in range(100)}
    fresh = {f"b{n}": 0.2 + 0.2 * (n % 2) for n in range(100)}
    measure, decay = decay_measure(then, fresh, LIMITS)
    assert measure.value == pytest.approx(0.25)
    assert measure.noise == pytest.approx(3.0902 * np.sqrt(2 * 0.01 / 100) / 0.4, rel=1e-3)
    assert measure.status == "drift"
    assert decay is not None
    assert decay.lower < -0.1 < decay.upper < 0
    assert decay.num_paired == 0
    assert np.isnan(decay.paired)


def test_users_of_both_windows_are_compared_with_themselves() -> None:
    """Each fell by .05, so the paired interval has no width while the unpaired one does."""
    then = users(0.3, 400, 1)
    fresh = {user: value - 0.05 for user, value in then.items()}
    _, decay = decay_measure(then, fresh, LIMITS)
    assert decay is not None
    assert decay.num_paired == 400
    assert (decay.paired, decay.paired_lower, decay.paired_upper) == pytest.approx((-0.05,) * 3)
    assert decay.upper - decay.lower > 0.03


def test_the_same_metric_is_in_order_and_false_alarms_are_rare() -> None:
    statuses = [
        decay_measure(users(0.3, 600, 2 * n), users(0.3, 600, 2 * n + 1), LIMITS)[0] for n in range(12)
    ]
    assert all(measure.status == "ok" for measure in statuses)


@pytest.mark.parametrize(
    ("number", "reason"), [(10, "10 users"), (60, "could not be told from it"), (0, "no user")]
)
def test_few_users_clear_nobody(number: int, reason: str) -> None:
    measure, _ = decay_measure(users(0.1, 300, 1), users(0.1, number, 2), LIMITS)
    assert measure.status == "not evaluable"
    assert reason in measure.reason


def test_a_champion_that_never_hit_cannot_fall() -> None:
    measure, _ = decay_measure({f"u{n}": 0.0 for n in range(99)}, users(0.1, 99, 2), LIMITS)
    assert measure.status == "not evaluable"
