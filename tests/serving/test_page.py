"""The page at /, opened as a reader would: lists side by side, a key where one is needed, nothing from elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr

from components.serving.config import Trial
from tests.accessibility import faults_of
from tests.browsing import SCREENS
from tests.serving.world import HOUR, NOW, World, serving, until

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
KEY = "a-key-of-the-page-1234"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def browser() -> Iterator[object]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


def test_lists_of_both_versions_stand_side_by_side(world: World, browser, tmp_path: Path):
    """Two versions, titles with markup in them, pictures of two items, and a key."""
    world.register("<b>old</b>", champion=True)
    world.register("new", first=2)
    world.go_online(("ada", "i00", NOW - 90 * HOUR), cut=NOW - 80 * HOUR)
    images = tmp_path / "images"
    images.mkdir()
    for item, colour in (("i01", "teal"), ("i02", "coral")):
        Image.new("RGB", (64, 64), colour).save(images / f"{item}.png")
    config = world.config(
        keys=(SecretStr(KEY),),
        images=images,
        exposures=tmp_path / "exposures",
        trial=Trial(challenger="challenger"),
    )
    with serving(config) as client:
        until(lambda: bool(client.get("/ready").json()["challenger"]["serving"]))
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        asked, faults = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(str(client.base_url))
        expect(page.locator("#state")).to_contain_text("challenger version")

        page.fill("#user", "ada")
        page.click("text=Show lists")
        page.wait_for_selector("#key-field:visible")
        assert "API keys" in page.text_content("#fault")
        page.fill("#key", KEY)
        page.click("text=Show lists")
        page.wait_for_selector("#challenger li")
        expect(page.locator("#champion img")).to_have_count(2)
        assert page.locator("#champion li").count() == page.locator("#challenger li").count() == 10
        assert "Film i01 <b>old</b>" in page.text_content("#champion")
        assert page.locator("#champion b").count() == 0
        assert "stale" in page.text_content("#champion .note")
        _photograph(page, "user")

        page.fill("#search", "Film i0")
        page.wait_for_selector("#found option", state="attached")
        page.fill("#search", page.locator("#found option").nth(3).get_attribute("value"))
        page.wait_for_selector("#history button")
        page.click("text=Show lists")
        expect(page.locator("#champion .facts")).to_contain_text("items picked")
        assert "Film i03" not in page.text_content("#champion ol")
        _photograph(page, "items")
        for scheme, width in SCREENS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            assert faults_of(page) == [], (scheme, width)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (scheme, width)
        assert not faults
        assert all(url.startswith((str(client.base_url), "blob:")) for url in asked)


def _photograph(page, name: str) -> None:
    """For the eye: only where somebody asks for it."""
    if folder := os.environ.get("RECLOOP_TEST_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"page-{name}.png"), full_page=True)
