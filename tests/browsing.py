"""A page as a reader opens it: in headless Chromium, with nothing but this machine to be reached."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, Route, sync_playwright

CHROMIUM = next(
    filter(None, (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SCREENS = tuple(product(("light", "dark"), (1400, 390)))  # colour scheme, width in pixels

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None,
    reason="no chromium, chromium-browser or google-chrome is installed (apt-get install chromium)",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Seen:
    """An open page, and what it did that a reader does not see."""

    page: Page
    abroad: list[str] = field(default_factory=list)  # what it asked of other machines; none is answered
    told: list[str] = field(default_factory=list)  # errors of its scripts

    @property
    def text(self) -> str:
        return self.page.locator("body").inner_text()

    @property
    def fits(self) -> bool:
        """Whether nothing stands out to the right of the screen."""
        return self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@contextmanager
def opened(browser: Browser, address: str, *, scheme: str = "light", width: int = 1400) -> Iterator[Seen]:
    """The page under this address; its own security policy is off, so that axe can look at it."""
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 1000}, bypass_csp=True
    )
    seen = Seen(page=context.new_page())

    def answer(route: Route, request: Request) -> None:
        if _is_here(request.url):
            route.continue_()
        else:
            seen.abroad.append(request.url)
            route.abort()

    context.route("**/*", answer)
    seen.page.on("pageerror", lambda error: seen.told.append(str(error)))
    try:
        seen.page.goto(address)
        yield seen
    finally:
        context.close()


def _is_here(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("file", "data", "blob") or parts.hostname in ("127.0.0.1", "localhost")
