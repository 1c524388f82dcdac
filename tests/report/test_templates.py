"""Templates: text is escaped wherever it stands, what is finished stands as it is, and a gap is an error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from components.report import templates
from components.report.table import Cell, Column, table
from components.report.templates import Markup, joined, note, render


def test_text_is_escaped_and_finished_parts_are_not():
    assert note("<b> & 'x' \x00") == '<p class="note">&lt;b&gt; &amp; &#39;x&#39; \ufffd</p>'
    assert joined([note("a"), note("b")]) == '<p class="note">a</p><p class="note">b</p>'
    finished = table("", [Column(name="a")], [[Cell(content=Markup("<i>x</i>"))], [Cell(content="<i>x</i>")]])
    assert finished.count("<i>x</i>") == finished.count("&lt;i&gt;x&lt;/i&gt;") == 1


def test_a_name_that_is_not_given_is_an_error():
    with pytest.raises(UndefinedError, match="text"):
        render("note")


def test_no_template_switches_escaping_off():
    for path in Path(templates.__file__).parent.glob("*.html"):
        assert not re.search(r"\|\s*safe|autoescape", path.read_text()), path.name


def test_no_tag_is_written_outside_of_the_templates():
    """Plotly's labels, which read some HTML, are the one exception."""
    room = Path(templates.__file__).parents[1]
    written = {
        path.name for path in room.glob("*.py") if re.search(r"""["']</?[a-z]|<p |<div""", path.read_text())
    }
    assert written <= {"erasure.py", "page.py", "forest.py", "curve.py"}
