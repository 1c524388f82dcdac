"""A fault, and what became of it. A fault that was armed and did not fire shows nothing, and fails the run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


class LeftOut(Exception):
    """A kind that cannot be struck on this machine: says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a strike led to."""

    fired: bool
    violations: tuple[str, ...] = ()  # what should have held and did not


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong, once."""

    kind: str
    name: str
    where: str  # the call that it strikes
    holds: str  # afterwards
    strike: Callable[[], Outcome]


@dataclass(kw_only=True)
class Tally:
    """A line of the page."""

    kind: str
    armed: int = 0
    fired: int = 0
    violated: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of the children too
    trouble: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return 0 < self.armed == self.fired and not self.violated


def strike_all(kind: str, faults: Iterable[Fault], tell: Callable[[str], None]) -> Tally:
    """Strike one after the other; what the harness itself stumbles over counts as a violation."""
    tally, begun, cpu = Tally(kind=kind), time.monotonic(), _cpu_seconds()
    for fault in faults:
        tally.armed += 1
        try:
            outcome = fault.strike()
        except Exception as error:
            outcome = Outcome(fired=True, violations=(f"{type(error).__name__}: {error}",))
        tally.fired += outcome.fired
        tally.violated += bool(outcome.violations)
        found = outcome.violations if outcome.fired else ("armed, and never fired", *outcome.violations)
        for violation in found:
            tally.trouble.append(f"{kind} / {fault.where} / {fault.name}: {violation}")
            tell(tally.trouble[-1])
    tally.seconds, tally.cpu_seconds = time.monotonic() - begun, _cpu_seconds() - cpu
    return tally


def _cpu_seconds() -> float:
    return sum(os.times()[:4])
