"""A property, held against examples that Hypothesis makes up; the fault fires once so many were held against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.faults.fault import Fault, Outcome

EXAMPLES, EXAMPLES_SHORT = 500, 10


@dataclass(frozen=True, kw_only=True)
class Property:
    """What holds of every example; `check` raises AssertionError where it does not.

    `at_once` examples are drawn together, where what checks them (Great Expectations) costs a second a call and a row
    at most: they are checked as one, and each has its part of what comes back.
    """

    name: str
    where: str
    holds: str
    examples: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    at_once: int = 1

    def as_fault(self, *, short: bool, by: int) -> Fault:
        number = EXAMPLES_SHORT if short else EXAMPLES
        strike = partial(self._strike, number, by)
        return Fault(
            kind="inputs",
            name=f"{self.name}: {number} examples",
            where=self.where,
            holds=self.holds,
            strike=strike,
        )

    def _strike(self, number: int, by: int) -> Outcome:
        together = min(self.at_once, number)
        examples = st.lists(self.examples, min_size=together, max_size=together)
        count = 0
        is_simplest = together > 1  # with it Hypothesis begins, and it would be all of a short run

        @seed(by)
        @settings(
            max_examples=-(-number // together) + is_simplest, deadline=None, database=None, report_multiple_bugs=False,
            # what is checked many at once takes seconds a step: its failure is told as it was found
            phases=[Phase.generate, *([Phase.shrink] if together == 1 else [])],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(examples)
        def example(found: list[Any]) -> None:
            nonlocal count, is_simplest
            if is_simplest:
                is_simplest = False
                return
            count += len(found)
            self.check(found if self.at_once > 1 else found[0])

        try:
            example()
        except AssertionError as error:
            return Outcome(fired=True, violations=(str(error)[:500],))
        return Outcome(fired=count >= number)


names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=6)
