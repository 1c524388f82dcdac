"""Tables with captions, headings and meanings."""

from __future__ import annotations

import pytest

from components.report.table import Column, figure_of, table, word


def test_a_table_has_a_caption_headings_and_meanings():
    text = table(
        "What <is> here.",
        [Column(name="Arm", is_number=False), Column(name="p", meaning="two-sided")],
        [[word("a<b"), figure_of(-1.0, ".1f", tone="failed")]],
    )
    assert "<caption>What &lt;is&gt; here.</caption>" in text
    assert '<th scope="col" class="n">p<small>two-sided</small></th>' in text
    assert '<th scope="row">a&lt;b</th>' in text
    assert '<span class="tone failed">−1.0</span>' in text


def test_a_row_that_does_not_fit_its_headings_is_a_bug():
    with pytest.raises(AssertionError, match="3 cells under 1 headings"):
        table("", [Column(name="a")], [[word("x"), word("y"), word("z")]])
