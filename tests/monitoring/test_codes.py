"""New items that fit the codebook are in order; those that fall onto a few codes, or far from any, are not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.monitoring.codes import Placed, code_measures, no_code_measures, perplexity, why_unhealthy
from components.monitoring.limits import MonitorLimits

LIMITS = MonitorLimits()
CODES = 64


def placed(rng: np.random.Generator, items: int, *, codes: int = CODES, error: float = 1.0) -> Placed:
    return Placed(
        codes=rng.integers(0, codes, size=(items, 3)), error=error * rng.gamma(4.0, 0.25, size=items)
    )


def test_perplexity_by_hand() -> None:
    """Two codes, three to one: exp(-(3/4 ln 3/4 + 1/4 ln 1/4)) = 4 / 27^(1/4) = 1.7548; four even ones have 4."""
    assert perplexity(np.array([[3, 0, 1, 0], [2, 2, 2, 2]])) == pytest.approx([4 / 27**0.25, 4])


@pytest.mark.parametrize("items", [40, 150, 800])
def test_items_like_those_of_the_fit_are_in_order(items: int) -> None:
    rng = np.random.default_rng(items)
    found = code_measures(placed(rng, 500), placed(rng, items), LIMITS)
    assert [m.name for m in found] == [
        "codes/perplexity_1", "codes/perplexity_2", "codes/perplexity_3", "codes/collisions", "codes/error",
    ]  # fmt: skip
    assert {m.status for m in found} == {"ok"}
    assert why_unhealthy(found) == ""


@pytest.mark.parametrize(
    ("planted", "name"),
    [
        ({"codes": 2}, "codes/perplexity_1"),
        ({"codes": 2}, "codes/collisions"),
        ({"error": 4.0}, "codes/error"),
    ],
)
def test_planted_bad_health_is_named(planted: dict[str, float], name: str) -> None:
    rng = np.random.default_rng(1)
    found = {m.name: m for m in code_measures(placed(rng, 500), placed(rng, 60, **planted), LIMITS)}  # type: ignore[arg-type]
    assert found[name].status == "drift"
    assert found[name].title.lower() in why_unhealthy(tuple(found.values()))


def test_entropy_of_few_items_is_held_against_as_few() -> None:
    """40 items cannot have 64 codes evenly: their perplexity is low, and so is that of 40 items of the fit."""
    rng = np.random.default_rng(2)
    (first, *_) = code_measures(placed(rng, 500), placed(rng, 40), LIMITS)
    assert first.reference == pytest.approx(first.current, abs=0.12)
    assert 0 < first.noise < LIMITS.perplexity_fall.drift


def test_false_alarms_are_rare() -> None:
    rng = np.random.default_rng(3)
    fitted = placed(rng, 400)
    beyond = 0
    for _ in range(60):
        found = code_measures(fitted, placed(rng, 60), LIMITS)
        assert why_unhealthy(found) == ""
        beyond += sum(m.value > m.noise for m in found)
    assert beyond <= 5  # of 300 at a chance of .1 %


def test_collisions_count_whole_tuples() -> None:
    """Of four of the fit two share a tuple; of two new ones one has the tuple of an old one."""
    fitted = Placed(codes=np.array([[0, 0], [0, 0], [1, 2], [3, 1]]), error=np.ones(4))
    new = Placed(codes=np.array([[1, 2], [2, 2]]), error=np.ones(2))
    found = {m.name: m for m in code_measures(fitted, new, MonitorLimits(min_items=2))}
    assert (found["codes/collisions"].reference, found["codes/collisions"].current) == (0.5, 0.5)


def test_too_few_items_clear_nobody() -> None:
    rng = np.random.default_rng(4)
    found = code_measures(placed(rng, 500), placed(rng, 10, codes=1), LIMITS)
    assert {m.status for m in found} == {"not evaluable"}
    assert why_unhealthy(found) == ""


def test_an_error_of_nothing_is_no_figure() -> None:
    exact = Placed(codes=np.arange(120).reshape(40, 3), error=np.zeros(40))
    error = code_measures(exact, exact, LIMITS)[-1]
    assert error.status == "not evaluable"
    assert error.value is None
    assert not math.isnan(error.reference or 0.0)


def test_without_items_the_reason_is_told() -> None:
    none = Placed(codes=np.zeros((0, 3), dtype=int), error=np.zeros(0))
    rng = np.random.default_rng(5)
    assert {m.reason for m in code_measures(placed(rng, 50), none, LIMITS)} == {
        "no item with content came after the tokenizer's fit"
    }
    assert {m.reason for m in no_code_measures("no tokenizer", LIMITS)} == {"no tokenizer"}
