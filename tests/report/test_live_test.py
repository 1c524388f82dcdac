"""The rehearsal's table, and the alarm of a split that is broken."""

from __future__ import annotations

from dataclasses import replace

from components.report.live_test import rehearsal_table
from components.report.text import number
from tests.report.reported import judged


def test_the_three_contrasts_stand_with_what_each_can_detect():
    found = judged().rehearsal
    assert found is not None
    text = rehearsal_table(found)
    for figure in (found.paired_mde, found.unpaired_mde, found.cuped_mde):
        assert f">{number(figure)}<" in text
    assert number(found.cuped.adjusted.difference, "+.4f") in text
    assert 'class="failed"' not in text


def test_a_broken_split_is_marked():
    found = judged().rehearsal
    assert found is not None
    text = rehearsal_table(replace(found, is_valid=False, reason="Sample ratio 1:9 <!>"))
    assert text.startswith('<p class="failed">')
    assert "sample ratio 1:9 &lt;!&gt;" in text
