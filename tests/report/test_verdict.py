"""The head of the page: outcome, reasons, and the figures that carried it."""

from __future__ import annotations

from dataclasses import replace

from components.evaluation.latency import LatencyCheck
from components.report.replay import deciding
from components.report.verdict import checks, verdict_header
from tests.report.reported import judged


def test_the_head_holds_outcome_reasons_and_the_deciding_figures():
    result = judged()
    primary = deciding(result)
    assert primary is not None
    text = verdict_header(result, primary)
    assert text.startswith('<div id="verdict" class="PROMOTE">')
    assert text.count("<li>") == len(result.reasons)
    assert f"{primary.n:,}" in text
    assert f"{result.window.requests:,} requests" in text
    assert "rolling mode" in text


def test_without_a_comparison_the_verdict_stands_alone():
    assert "<dl" not in verdict_header(judged(), None)


def test_a_small_p_is_bounded_and_another_one_told():
    primary = deciding(judged())
    assert primary is not None
    for p, told in ((0.0001, "&lt; 0.001"), (0.0421, "0.042")):
        assert f'<dd class="value">{told}</dd>' in verdict_header(judged(), replace(primary, p=p))


def test_latency_that_is_too_long_rejects_in_the_head_and_stands_last_among_the_checks():
    slow = LatencyCheck(is_passed=False, ratio=3.0, reason="latency p95 is 3.00 x the champion's")
    result = replace(judged(), latency_check=slow)
    text = verdict_header(result, deciding(result))
    assert 'class="REJECT"' in text
    assert "3.00 x" in text
    rows = checks(result).split("<tr>")
    assert '<th scope="row">latency</th>' in rows[-1]
    assert "tone failed" in rows[-1]
