"""What came of one validation, out of Great Expectations' own result: how many rows go on, which do not, and why.

Great Expectations calls a suite failed if one row breaks one rule. Here a broken rule costs that row, and the whole
only beyond a limit; so the limit and what the rows are travel in the result, as the meta of its first expectation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)

from components.data.contracts.expectations import rule_of
from components.data.contracts.subject import Subject

POSITION = "position"  # of a row in the frame handed over
_TOLD = "recloop"  # key of the meta

State = Literal["accepted", "stopped"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One expectation, and how many rows broke it."""

    text: str
    column: str
    reason: str  # reason code; "" for a rule of the table as a whole
    num_seen: int  # rows that it asks about
    num_broken: int
    kept: bool  # whether it costs nobody anything


@dataclass(frozen=True, kw_only=True)
class BadRow:
    names: Mapping[str, str]  # what a person finds it by: its row in the source
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All that a page says of a validation."""

    subject: Subject
    at: datetime
    num_rows: int
    rules: tuple[Rule, ...]
    bad: tuple[BadRow, ...]  # in the order of the rows
    counts: Mapping[str, int] = field(default_factory=dict)  # reason code → rows, most first

    @property
    def num_good(self) -> int:
        return self.num_rows - len(self.bad)

    @property
    def share(self) -> float:
        return len(self.bad) / self.num_rows if self.num_rows else 0.0

    @property
    def state(self) -> State:
        return "stopped" if self.subject.blocked or self.share > self.subject.limit else "accepted"

    @property
    def told(self) -> str:
        """In a line: accepted, and of how many rows; or what stopped it."""
        rows, aside = self.subject.rows, self.subject.aside
        part = f"{len(self.bad):,} of {self.num_rows:,} {rows}"
        if self.subject.blocked:
            return f"{part} are bad, and {self.subject.blocked}"
        if self.state == "stopped":
            return f"{part} are bad: {self.share:.1%}, and the limit is {self.subject.limit:.1%}; nothing went on"
        return f"{part} {aside}" if self.bad else f"all {self.num_rows:,} {rows}"


def meta_of(subject: Subject) -> dict[str, Any]:
    """The subject as the meta of an expectation carries it."""
    return {_TOLD: asdict(subject)}


def outcome_of(result: ExpectationSuiteValidationResult) -> Outcome:
    """Read a result of `validate`; one from before the subject travelled along is told by its suite's name alone."""
    bad = _bad_rows(result)
    counts = Counter(code for row in bad for code in row.reasons)
    run_id: Any = result.meta["run_id"]
    return Outcome(
        subject=_subject(result),
        at=run_id.run_time if hasattr(run_id, "run_time") else datetime.fromisoformat(run_id["run_time"]),
        num_rows=_num_rows(result),
        rules=tuple(_rule(one) for one in result.results),
        bad=bad,
        counts=dict(counts.most_common()),
    )


def _subject(result: ExpectationSuiteValidationResult) -> Subject:
    known = {part.name for part in fields(Subject)}
    for one in result.results:
        if told := _meta(one).get(_TOLD):
            return Subject(**{name: value for name, value in told.items() if name in known})
    return Subject(rows=result.suite_name)


def _bad_rows(result: ExpectationSuiteValidationResult) -> tuple[BadRow, ...]:
    reasons: dict[int, set[str]] = {}
    names: dict[int, dict[str, str]] = {}
    for one in result.results:
        if one.success or not (code := _meta(one).get("reason")):
            continue
        column = _column(one)
        for row in one.result["unexpected_index_list"]:
            at = int(row[POSITION])
            reasons.setdefault(at, set()).add(code)
            names[at] = {name: str(value) for name, value in row.items() if name not in (POSITION, column)}
    return tuple(BadRow(names=names[at], reasons=tuple(sorted(reasons[at]))) for at in sorted(reasons))


def _rule(one: ExpectationValidationResult) -> Rule:
    config = one.expectation_config
    text = rule_of(getattr(config, "description", None) or "")
    return Rule(
        text=text or str(getattr(config, "type", "")).removeprefix("expect_").replace("_", " "),
        column=_column(one),
        reason=str(_meta(one).get("reason", "")),
        num_seen=int(one.result.get("element_count") or 0),
        num_broken=int(one.result.get("unexpected_count") or 0),
        kept=bool(one.success),
    )


def _num_rows(result: ExpectationSuiteValidationResult) -> int:
    return max((row for one in result.results for row in _row_counts(one)), default=0)


def _row_counts(one: ExpectationValidationResult) -> Iterator[int]:
    if getattr(one.expectation_config, "type", "") == "expect_table_row_count_to_equal":
        yield int(one.result["observed_value"])
    yield int(one.result.get("element_count") or 0)


def _meta(one: ExpectationValidationResult) -> dict[str, Any]:
    return (one.expectation_config.meta if one.expectation_config else None) or {}


def _column(one: ExpectationValidationResult) -> str:
    return str(one.expectation_config.kwargs.get("column", "")) if one.expectation_config else ""
