"""Reason codes: of rows in quarantine from the contracts that give them, of verdicts from their enums."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from infra.docs.command_tables import cell


def quarantine_codes() -> str:
    """Code, the rules whose breach gives it, and what to do."""
    from components.data.contracts.expectations import event_suite, item_suite
    from components.data.contracts.telling import _HINTS

    now = datetime(2000, 1, 1, tzinfo=UTC)
    rules: dict[str, list[str]] = {}
    for kind, suite in (
        ("event", event_suite(as_of=now, num_rows=0, value_ranges={"rating": (0.0, 10.0)})),
        ("item", item_suite(as_of=now, num_rows=0)),
    ):
        for expected in suite:
            if code := (expected.meta or {}).get("reason"):
                rule = (
                    str(expected.description)
                    .removesuffix(f"; else {code}")
                    .replace(now.isoformat(), "`--as-of`")
                )
                if f"{kind}: {rule}" not in rules.setdefault(code, []):
                    rules[code].append(f"{kind}: {rule}")
    rows = [
        f"| `{code}` | {cell('; '.join(said))} | {cell(_HINTS.get(code, ''))} |"
        for code, said in sorted(rules.items())
    ]
    return "\n".join(("| code | given to a row that breaks | what to do |", "| --- | --- | --- |", *rows))


def verdict_codes() -> str:
    """The members of the enums that a verdict and a live test are told in."""
    from components.evaluation.live_test import Call
    from components.evaluation.verdict import Outcome, Result

    kinds: tuple[tuple[str, type[StrEnum]], ...] = (
        ("outcome of a verdict", Outcome), ("result of one of its checks", Result), ("call of a live test", Call),
    )  # fmt: skip
    rows = [f"| {what} | {', '.join(f'`{one.value}`' for one in kind)} |" for what, kind in kinds]
    return "\n".join(("| what | values |", "| --- | --- |", *rows))
