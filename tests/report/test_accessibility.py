"""Every report as axe-core sees it: contrast in light and dark, names, roles, and what a keyboard reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from components.report import render_monitoring
from tests.accessibility import faults_of
from tests.browsing import chromium, needs_chromium, opened
from tests.report import backtested, monitored, reported, test_logged

PAGES: dict[str, Callable[[], str]] = {
    "replay": reported.page,
    "backtest": backtested.page,
    "monitoring": lambda: render_monitoring(monitored.look(), monitored.looks()),
    "logged": test_logged.page,
}

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 390)])
def test_a_report_has_no_grave_fault(
    browser: Browser, tmp_path: Path, name: str, scheme: str, width: int
) -> None:
    (tmp_path / "page.html").write_text(PAGES[name](), encoding="utf-8")
    with opened(browser, (tmp_path / "page.html").as_uri(), scheme=scheme, width=width) as seen:
        seen.page.locator(".main-svg").first.wait_for(timeout=60_000)
        assert (seen.abroad, seen.told, seen.fits, faults_of(seen.page)) == ([], [], True, [])
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.className") == "skip"
        assert seen.page.evaluate("document.activeElement.getBoundingClientRect().left >= 0")


def test_a_fault_is_found(browser: Browser, tmp_path: Path) -> None:
    """Grey on white, and a picture that nobody names."""
    faulty = '<h1>t</h1><p style="color:#aaa">faint</p><img src="data:,">'
    whole = f'<!doctype html><html lang="en"><title>t</title><main>{faulty}</main>'
    (tmp_path / "page.html").write_text(whole)
    with opened(browser, (tmp_path / "page.html").as_uri()) as seen:
        assert [fault.split()[0] for fault in faults_of(seen.page)] == ["color-contrast", "image-alt"]
