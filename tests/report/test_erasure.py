"""A person's card goes out of a real page; every other card and all else stays as it was."""

from __future__ import annotations

import re
from html import escape, unescape
from pathlib import Path

import pytest

from components.report.erasure import cards_of, count_in_pages, forget_in_pages, page_without
from components.report.text import clean, safe
from tests.report.reported import page


def users_of(text: str) -> list[str]:
    return [unescape(user) for user in re.findall(r'data-user="([^"]*)"', text)]


def test_one_card_goes_and_nothing_else():
    whole, users = page(), users_of(page())
    gone = users[1]
    without = page_without(whole, gone)
    assert users_of(without) == [user for user in users if user != gone]
    start = whole.index(f'<details class="person" data-user="{gone}"')
    end = whole.index("</details>", start) + len("</details>")
    assert without == whole[:start] + whole[end:]
    assert (cards_of(whole, gone), cards_of(without, gone), cards_of(whole, "nobody")) == (1, 0, 0)
    assert page_without(without, gone) == without


@pytest.mark.parametrize("user", ["<b>", 'a"b', ".*", "x" * 500, "a'b", "אבג", "a&amp;b", "a\x00b"])
def test_any_id_is_found_as_it_is_written(user: str):
    for written in (safe(user), escape(clean(user))):  # as templates write it, and as older pages did
        card = f'<details class="person" data-user="{written}"><summary>{written}</summary></details>'
        assert page_without(f"<p>{card}<i>", user) == "<p><i>"


def test_pages_of_a_folder_are_replaced_and_what_a_kill_left_goes(tmp_path: Path):
    user = users_of(page())[0]
    path = tmp_path / "below" / "report.html"
    path.parent.mkdir()
    path.write_text(page(), encoding="utf-8")
    (tmp_path / ".left.part").write_text(page())
    assert count_in_pages(tmp_path, user) == 1
    for _ in range(2):
        forget_in_pages(tmp_path, user)
        assert count_in_pages(tmp_path, user) == 0
    assert path.read_text(encoding="utf-8") == page_without(page(), user)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["report.html"]
    assert count_in_pages(tmp_path / "missing", user) == 0
