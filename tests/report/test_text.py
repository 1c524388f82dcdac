"""Text of others made safe, and numbers as a journal sets them."""

from __future__ import annotations

import pytest

from components.report import render_report
from components.report.text import number, safe, share, span
from tests.report.reported import judged, world


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("a\0b\ud800c", "a\ufffdb\ufffdc"),
        ("<b>&\"'", "&lt;b&gt;&amp;&quot;&#x27;"),
        ("x" * 1_000_000, "x" * 159 + "…"),
        ("'; DROP TABLE items;--", "&#x27;; DROP TABLE items;--"),
        ("🎬 שלום", "🎬 שלום"),
    ],
)
def test_text_that_no_page_can_hold_is_made_safe(title, shown):
    assert safe(title) == shown
    plan, lists = world()
    text = render_report(judged(), plan, lists, dict.fromkeys(plan.catalogue, title), num_people=1)
    assert shown in text
    text.encode()  # a lone surrogate would raise


def test_numbers_are_set_with_a_true_minus_and_a_dash_for_what_is_missing():
    assert number(-0.01234, "+.4f") == "−0.0123"
    assert [number(v) for v in (None, float("nan"), float("inf"))] == ["–"] * 3
    assert share(0.1234) == "12.3 %"
    assert span(-0.5, 0.25, "+.2f") == "[−0.50, +0.25]"
