"""The head of the page: what was decided, why, and the figures that carried it."""

from __future__ import annotations

from components.evaluation.comparison import BOOTSTRAP, Comparison
from components.evaluation.gate import Outcome
from components.evaluation.result import ReplayResult
from components.report.measures import name_of
from components.report.table import Column, table, word
from components.report.text import number, safe, share, span

MEANING = {
    Outcome.PROMOTE: "every check passed: the evidence supports the challenger",
    Outcome.REJECT: "the evidence speaks against the challenger",
    Outcome.HOLD: "the evidence does not settle it, and what is in place stays",
    Outcome.INVALID: "nothing can be concluded from this replay",
}


def verdict_header(result: ReplayResult, primary: Comparison | None) -> str:
    """The page's head. `primary` is the comparison that decides, None if there was none."""
    window = result.window
    against = f"against {safe(result.champion)}" if result.champion else "with no champion yet"
    reasons = "".join(f"<li>{safe(reason, 600)}</li>" for reason in result.reasons)
    return (
        f'<div id="verdict" class="{result.outcome}">'
        f'<p class="outcome">{result.outcome} <span>– {MEANING[result.outcome]}</span></p>'
        f"<h1>{safe(result.challenger)} {against}</h1>"
        f'<p class="meta">Replayed {window.cut:%d %b %Y %H:%M} to {window.window_end:%d %b %Y %H:%M} UTC, '
        f"{safe(window.mode)} mode, gate profile {safe(result.profile.name)}</p>"
        f'<ul class="reasons" aria-label="Reasons">{reasons}</ul></div>{_key_figures(result, primary)}'
    )


def checks(result: ReplayResult) -> str:
    """Every check of the gate in its order, latency last."""
    rows = [
        [word(c.name), word(c.result, tone=c.result.replace(" ", "-")), word(c.reason)]
        for c in result.verdict.checks
    ]
    if found := result.latency_check:
        passed = "passed" if found.is_passed else "failed"
        rows.append([word("latency"), word(passed, tone=passed), word(found.reason)])
    columns = [
        Column(name="Check", is_number=False),
        Column(name="Result", is_number=False),
        Column(name="What was found", is_number=False),
    ]
    note = (
        '<p class="note">Passed and failed are shown by the evidence; unproven means that it shows neither, '
        "which is never a pass. Not evaluable means too few users to judge by.</p>"
    )
    return table("The gate's checks, in the order in which they decide.", columns, rows) + note


def _key_figures(result: ReplayResult, primary: Comparison | None) -> str:
    if primary is None or not primary.n:
        return ""
    metric, rule = name_of(primary.metric), result.profile.primary
    level = f"{100 * (1 - 2 * result.alpha_one_sided):.4g} %"
    figures = [
        (
            f"{metric}, minus {primary.baseline}",
            number(primary.delta, "+.4f"),
            f"{level} interval {span(primary.lower, primary.upper)}, mean over users{_test(primary)}",
        ),
        (
            "Relative difference",
            _percent(primary.relative_lift),
            f"of the {number(primary.baseline_mean)} that {primary.baseline} reaches{_fieller(primary)}",
        ),
        (
            "p",
            number(primary.p, ".2g") if primary.p >= 0.001 else "< 0.001",
            "how often random signs give a difference as large, two-sided",
        ),
        (
            "Detectable difference",
            number(primary.mde),
            f"the smallest true one that {primary.n:,} users would show with {rule.power:.0%} power",
        ),
        (
            "Users",
            f"{primary.n:,}",
            f"{result.window.requests:,} requests; {share(primary.zero_share)} of users see no difference",
        ),
    ]
    entries = "".join(
        f'<div><dt>{safe(name)}</dt><dd class="value">{safe(value)}</dd>'
        f'<dd class="meaning">{safe(meaning)}</dd></div>'
        for name, value, meaning in figures
    )
    return f'<dl class="key">{entries}</dl>'


def _percent(part: float | None) -> str:
    return number(None) if part is None else f"{number(100 * part, '+.1f')} %"


def _fieller(primary: Comparison) -> str:
    if primary.lift_lower is None or primary.lift_upper is None:
        return ""
    return f"; [{_percent(primary.lift_lower)}, {_percent(primary.lift_upper)}] by Fieller"


def _test(primary: Comparison) -> str:
    return "" if primary.test == BOOTSTRAP else f", by {primary.test.replace('_', ' ')} at every look"
