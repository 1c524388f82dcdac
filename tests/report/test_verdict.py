"""The head of the page: outcome, reasons, and the figures that carried it."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

from markupsafe import escape

from components.evaluation.alpha_spending import Attempt
from components.evaluation.latency import LatencyCheck
from components.report.replay import deciding
from components.report.subject import UNTOLD, Subject
from components.report.text import number, sentence
from components.report.verdict import checks, verdict_header
from tests.evaluation.judging import judge
from tests.report.reported import PROFILE, judged, world

NAMED = Subject(data="films & more", champion="version 3, mmgrec")


def test_the_head_holds_outcome_reasons_and_the_deciding_figures():
    result = judged()
    primary = deciding(result)
    assert primary is not None
    text = verdict_header(result, primary, NAMED)
    assert text.startswith('<div id="verdict" class="PROMOTE">')
    assert "<h1>better against good (version 3, mmgrec)</h1>" in text
    assert '<p class="meta">films &amp; more, replayed 01 Jan 2024' in text
    assert f"{primary.n:,}" in text
    assert f"{result.window.requests:,} requests" in text
    assert "rolling mode" in text


def test_a_promotion_is_summed_up_and_any_other_verdict_told_in_its_reasons():
    """What the head says in full the table of checks points at, and the other way round."""
    promoted, rejected = judged(), judged("good", "better")
    assert re.findall("<li.*?>(.*?)</li>", verdict_header(promoted, None, UNTOLD)) == [
        "better on NDCG@10 than popularity, recent_popularity, good",
        "guarded, and holds: recall@50 within 0.02 of good, coverage@10 at least 0.05",
        "not evaluable: ndcg@10 of cold_users within 0.02 of good, recall@10 of cold_items within 0.02 of good",
    ]
    # the share of the window's alpha is no guardrail
    counted = judge(
        *world(), "better", "good", profile=PROFILE, attempt=Attempt(number=1, alpha_one_sided=0.0171)
    )
    assert "alpha" not in verdict_header(counted, None, UNTOLD)
    assert all(escape(sentence(check.reason)) in checks(promoted) for check in promoted.verdict.checks)
    told = [unescape(t) for t in re.findall("<li.*?>(.*?)</li>", verdict_header(rejected, None, UNTOLD))]
    assert told == [sentence(text) for text in rejected.reasons]
    assert not any(text in checks(rejected) for text in told)
    assert all(f'<a href="#reason-{n}">' in checks(rejected) for n in range(1, len(told) + 1))


def test_an_arm_that_is_not_beaten_stands_in_the_head_whatever_the_verdict():
    """The champion's own rival is better: a PROMOTE over the champion alone does not hide it."""
    result = judged("good", "bad")
    assert result.outcome == "PROMOTE"
    ahead = next(c for c in result.comparisons if (c.baseline, c.metric) == ("better", "ndcg@10"))
    text = verdict_header(result, None, UNTOLD)
    assert f"<strong>Not shown to beat</strong> better {number(ahead.delta, '+.4f')} [" in text
    assert "Not shown to beat" not in verdict_header(judged(), None, UNTOLD)


def test_without_a_comparison_the_verdict_stands_alone():
    assert "<dl" not in verdict_header(judged(), None, UNTOLD)


def test_a_small_p_is_bounded_and_another_one_told():
    primary = deciding(judged())
    assert primary is not None
    for p, told in ((0.0001, "&lt; 0.001"), (0.0421, "0.042")):
        assert f'<dd class="value">{told}</dd>' in verdict_header(judged(), replace(primary, p=p), UNTOLD)


def test_latency_that_is_too_long_rejects_in_the_head_and_stands_last_among_the_checks():
    slow = LatencyCheck(is_passed=False, ratio=3.0, reason="latency p95 is 3.00 x the champion's")
    result = replace(judged(), latency_check=slow)
    text = verdict_header(result, deciding(result), UNTOLD)
    assert 'class="REJECT"' in text
    assert "3.00 x" in text
    rows = checks(result).split("<tr>")
    assert '<th scope="row">latency</th>' in rows[-1]
    assert "tone failed" in rows[-1]
