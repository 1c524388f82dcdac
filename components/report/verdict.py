"""The head of the page: what was decided, why, and the figures that carried it."""

from __future__ import annotations

from collections.abc import Mapping

from components.evaluation.comparison import BOOTSTRAP, Comparison
from components.evaluation.gate import Outcome
from components.evaluation.result import ReplayResult
from components.evaluation.verdict import Result
from components.measures import name_of
from components.report.head import head
from components.report.subject import Subject
from components.report.table import Cell, Column, table, word
from components.report.templates import Markup, note, render
from components.report.text import level, number, p_value, sentence, share, span, told_level

MEANING = {
    Outcome.PROMOTE: "every check passed: the evidence supports the challenger",
    Outcome.REJECT: "the evidence speaks against the challenger",
    Outcome.HOLD: "the evidence does not settle it, and what is in place stays",
    Outcome.INVALID: "nothing can be concluded from this replay",
}


def verdict_header(result: ReplayResult, primary: Comparison | None, subject: Subject) -> Markup:
    """The page's head. `primary` is the comparison that decides, None if there was none."""
    window = result.window
    data = f"{subject.data}, replayed" if subject.data else "Replayed"
    return head(
        tone=str(result.outcome),
        outcome=str(result.outcome),
        meaning=MEANING[result.outcome],
        title=_title(result, subject),
        meta=f"{data} {window.cut:%d %b %Y %H:%M} to {window.window_end:%d %b %Y %H:%M} UTC, "
        f"{window.mode} mode, gate profile {result.profile.name}",
        reasons=[sentence(text) for text in _reasons(result)],
        short_of=_not_beaten(result),
        figures=_key_figures(result, primary),
    )


def _title(result: ReplayResult, subject: Subject) -> str:
    challenger = f"{result.challenger} ({subject.challenger})" if subject.challenger else result.challenger
    if not result.champion:
        return f"{challenger} with no champion yet"
    champion = f"{result.champion} ({subject.champion})" if subject.champion else result.champion
    return f"{challenger} against {champion}"


def _reasons(result: ReplayResult) -> list[str]:
    """Why, in words. A PROMOTE rests on every check alike, and Table 1 holds them: here they are summed up."""
    if result.outcome is not Outcome.PROMOTE:
        return list(result.reasons)
    of_checks = {check.reason for check in result.verdict.checks}
    rivals = [*result.profile.must_beat, *([result.champion] if result.champion else [])]
    guards = [c for c in result.verdict.checks if " within " in c.name or " at least " in c.name]
    named = [
        (f"better on {name_of(result.profile.primary.metric)} than", rivals),
        ("guarded, and holds:", [c.name for c in guards if c.result is Result.PASSED]),
        ("not evaluable:", [c.name for c in guards if c.result is Result.NOT_EVALUABLE]),
    ]
    return [
        *(f"{what} {', '.join(names)}" for what, names in named if names),
        *(text for text in result.reasons if text not in of_checks),
    ]


def _not_beaten(result: ReplayResult) -> str:
    """The arms that the challenger is not shown to beat and no reason names: a reader must not have to look."""
    metric = result.profile.primary.metric
    said = {check.name for check in result.verdict.checks if check.reason in result.reasons}
    short = [
        f"{c.baseline} {number(c.delta, '+.4f')} {span(c.lower, c.upper)}"
        for c in result.comparisons
        if c.metric == metric
        and c.is_finite
        and c.lower <= 0
        and f"{metric} against {c.baseline}" not in said
    ]
    if not short or result.outcome is Outcome.INVALID:
        return ""
    return f"{'; '.join(short)} on {name_of(metric)}"


def checks(result: ReplayResult) -> Markup:
    """Every check of the gate in its order, latency last. What the head has said is not said again."""
    said = {text: n for n, text in enumerate(_reasons(result), start=1)}
    rows = [
        [word(c.name), word(c.result, tone=c.result.replace(" ", "-")), _found(c.reason, said)]
        for c in result.verdict.checks
    ]
    if found := result.latency_check:
        passed = "passed" if found.is_passed else "failed"
        rows.append([word("latency"), word(passed, tone=passed), _found(found.reason, said)])
    columns = [
        Column(name="Check", is_number=False),
        Column(name="Result", is_number=False),
        Column(name="What was found", is_number=False),
    ]
    told = note(
        "Passed and failed are shown by the evidence; unproven means that it shows neither, which is never a pass. Not "
        "evaluable means that it could not have failed: too few users to judge by, or too little to lose."
    )
    return table("The gate's checks, in the order in which they decide.", columns, rows) + told


def _found(text: str, said: Mapping[str, int]) -> Cell:
    if text in said:
        return Cell(content=render("reason", number=said[text]))
    return Cell(content=sentence(text))


def _key_figures(result: ReplayResult, primary: Comparison | None) -> list[tuple[str, str, str]]:
    """Name, value and meaning of the figures that carried it."""
    if primary is None or not primary.n:
        return []
    metric, rule = name_of(primary.metric), result.profile.primary
    return [
        (
            f"{metric}, minus {primary.baseline}",
            number(primary.delta, "+.4f"),
            f"{level(result.alpha_one_sided)} interval {span(primary.lower, primary.upper)}, mean over users"
            f"{_test(primary)}.{told_level(result.alpha_one_sided)}",
        ),
        (
            "Relative difference",
            _percent(primary.relative_lift),
            f"of the {number(primary.baseline_mean)} that {primary.baseline} reaches{_fieller(primary)}",
        ),
        (
            "p",
            p_value(primary.p),
            "how often random signs give a difference as large, two-sided",
        ),
        (
            "Detectable difference",
            number(primary.mde),
            f"the smallest true one that {primary.n:,} users would show with {rule.power:.0%} power, one-sided",
        ),
        (
            "Users",
            f"{primary.n:,}",
            f"{result.window.requests:,} requests; {share(primary.zero_share)} of users see no difference",
        ),
    ]


def _percent(part: float | None) -> str:
    return number(None) if part is None else f"{number(100 * part, '+.1f')} %"


def _fieller(primary: Comparison) -> str:
    if primary.lift_lower is None or primary.lift_upper is None:
        return ""
    return f"; [{_percent(primary.lift_lower)}, {_percent(primary.lift_upper)}] by Fieller"


def _test(primary: Comparison) -> str:
    return "" if primary.test == BOOTSTRAP else f", by {primary.test.replace('_', ' ')} at every look"
