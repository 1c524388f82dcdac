"""What a gate says: an outcome, its reasons, and every check on the way to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    PROMOTE = "PROMOTE"
    REJECT = "REJECT"
    HOLD = "HOLD"
    INVALID = "INVALID"


class Result(StrEnum):
    """Of one check. FAILED is shown by the evidence, UNPROVEN is not shown either way.

    NOT_EVALUABLE could not have failed, by too few users or by too little to lose: it is neither.
    """

    PASSED = "passed"
    FAILED = "failed"
    UNPROVEN = "unproven"
    NOT_EVALUABLE = "not evaluable"


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str
    result: Result
    reason: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    outcome: Outcome
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
    gate_hash: str
