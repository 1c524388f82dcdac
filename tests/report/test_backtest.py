"""The page of a back-test: every window and every pooled difference stands in it, and it reads anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from components.report.backtest import render_backtest
from tests.browsing import CHROMIUM
from tests.report.backtested import FACTS, found, page
from tests.report.test_browser import DARK, LIGHT, chromium, opened

__all__ = ["chromium"]  # the fixture


def test_every_window_and_every_pooled_difference_is_told() -> None:
    told = page()
    assert "mmgrec would have been promoted in 1 of 3 windows." in told
    assert "1 of 4 windows hold no events." in told
    for window in (window for arm in found().arms for window in arm.windows):
        assert f"{window.cut:%d %b %Y}" in told
    assert "−0.0060" in told
    assert "[−0.0960, +0.0840]" in told
    assert "NO EVENTS" in told
    assert told == page()  # the same inputs give the same bytes


def test_what_others_wrote_is_text() -> None:
    assert "<b>shop" not in page()


def test_one_window_is_told_to_have_no_interval() -> None:
    arm = found().arms[0]
    single = replace(arm, pooled=tuple(replace(p, lower=None, upper=None) for p in arm.pooled))
    told = render_backtest(replace(found(), arms=(single,)), FACTS)
    assert "One window alone does not say how windows differ" in told
    assert 'class="plot"' not in told


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize(
    ("scheme", "paper", "width"), [("light", LIGHT, 1280), ("dark", DARK, 1280), ("light", LIGHT, 390)]
)
def test_it_opens_without_a_network_and_nothing_is_wider_than_the_screen(
    chromium: Browser, tmp_path: Path, scheme: str, paper: str, width: int
) -> None:
    file = tmp_path / "backtest.html"
    file.write_text(page(), encoding="utf-8")
    shown = opened(chromium, file, scheme, width)
    assert (shown.told, shown.asked) == ([], [])
    assert shown.page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    overlaps = """[...document.querySelectorAll('.canvas')].flatMap(one => {
        const boxes = [...one.querySelectorAll('.annotation')].map(n => n.getBoundingClientRect());
        return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b =>
            a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3));
    }).length"""
    assert shown.page.evaluate(overlaps) == 0
