"""Text of others made safe, and numbers as a journal sets them."""

from __future__ import annotations

import pytest

from components.report import render_report
from components.report.text import level, number, p_value, safe, sentence, share, span, told_level
from tests.report.reported import judged, world


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("a\0b\ud800c", "a\ufffdb\ufffdc"),
        ("<b>&\"'", "&lt;b&gt;&amp;&#34;&#39;"),
        ("x" * 1_000_000, "x" * 159 + "…"),
        ("'; DROP TABLE items;--", "&#39;; DROP TABLE items;--"),
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
    assert [number(-0.00001, "+.4f"), number(-0.00001), number(-0.00001, ",.2f")] == [
        "+0.0000",
        "0.0000",
        "0.00",
    ]
    assert number(-0.0001) == "−0.0001"
    assert span(-0.5, 0.25, "+.2f") == "[−0.50, +0.25]"


def test_a_p_that_is_small_says_so():
    assert [p_value(p) for p in (0.0, 0.00099, 0.001, 0.5, None)] == [
        "< 0.001",
        "< 0.001",
        "0.001",
        "0.500",
        "–",
    ]


def test_a_sentence_has_the_pages_minus_and_keeps_its_hyphens():
    told = "non-inferior by -0.0025 [-0.0059, +0.0007] <at> 2024-01-02"
    assert sentence(told) == "non-inferior by −0.0025 [−0.0059, +0.0007] <at> 2024-01-02"


def test_a_level_other_than_the_usual_one_is_explained():
    assert (level(0.025), told_level(0.025)) == ("95 %", "")
    assert level(0.0125) == "97.5 %"
    assert "97.5 %" in told_level(0.0125)
    assert "alpha 0.0125" in told_level(0.0125)
