"""The report as a reader opens it: in Chromium, from a file, without a network, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from components.report.page import shared
from tests import browsing
from tests.browsing import needs_chromium
from tests.report.reported import judged, page

LIGHT, DARK = "rgb(253, 252, 249)", "rgb(22, 24, 27)"  # --paper of page.css

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("report") / "report.html"
    written.write_text(page(), encoding="utf-8")
    return written


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


@dataclass
class Opened:
    """A page with everything it complained of and everything it asked for."""

    page: Page
    told: list[str] = field(default_factory=list)  # console, errors
    asked: list[str] = field(default_factory=list)  # addresses other than the file itself and data in it


def until(page: Page, condition: str) -> None:
    """Playwright's own waiting would evaluate text in the page, which the page's policy refuses."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition}")


def opened(chromium: Browser, file: Path, scheme: str = "light", width: int = 1280) -> Opened:
    context = chromium.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True
    )
    found = Opened(page=context.new_page())
    found.page.on("console", lambda message: found.told.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.told.append(str(error)))
    found.page.on(
        "request",
        lambda request: (
            found.asked.append(request.url) if request.url.split(":")[0] not in ("file", "data") else None
        ),
    )
    found.page.goto(file.as_uri())
    until(
        found.page, "[...document.querySelectorAll('.canvas')].every(one => one.querySelector('.main-svg'))"
    )
    return found


@pytest.fixture(scope="module")
def light(chromium: Browser, file: Path) -> Iterator[Opened]:
    """One page for all tests that leave it as it was: plotly's 4.8 MB take seconds to read on a busy machine."""
    found = opened(chromium, file)
    yield found
    found.page.context.close()


def test_nothing_is_told_and_nothing_asked_of_a_network(light: Opened):
    assert light.told == []
    assert light.asked == []


def test_the_verdict_and_its_reasons_are_seen_at_once(light: Opened):
    result = judged()
    head = light.page.locator("#verdict")
    assert head.locator(".outcome").inner_text().startswith("PROMOTE")
    assert head.bounding_box()["y"] < 400
    assert (
        head.locator("li").first.inner_text() == "better on NDCG@10 than popularity, recent_popularity, good"
    )
    assert result.outcome == "PROMOTE"
    assert light.page.locator(".claim").inner_text().startswith("Offline replay")


def test_every_figure_is_drawn(light: Opened):
    for canvas in light.page.locator(".canvas").all():
        assert canvas.get_attribute("aria-label")
        marks = canvas.locator(".point, .js-line")
        assert marks.count() > 0
        assert canvas.bounding_box()["height"] > 200
    rows = light.page.locator("#differences .scatterlayer .point")
    assert rows.count() == len(judged().comparisons)


def test_a_planted_script_does_not_run(light: Opened):
    light.page.locator("details.person").evaluate_all("found => found.forEach((one) => { one.open = true })")
    assert light.page.evaluate("window.planted") is None
    assert "<script>window.planted" in light.page.locator("#people-drawn").inner_text()


def test_even_markup_that_slipped_in_cannot_run(chromium: Browser, file: Path):
    """The page's policy names its own two scripts; what is put into it later is refused."""
    found = opened(chromium, file)
    found.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.planted = true';"
        " document.body.append(s) }"
    )
    assert found.page.evaluate("window.planted") is None
    assert any("Content Security Policy" in told for told in found.told)
    found.page.context.close()


def test_search_by_keyboard_filters_to_one_user(light: Opened):
    people = light.page.locator("details.person")
    wanted = people.nth(7).get_attribute("data-user")
    search = light.page.get_by_label("Find a user")
    search.focus()
    light.page.keyboard.type(wanted)
    shown = people.locator("visible=true")
    assert shown.count() == 1
    assert shown.get_attribute("data-user") == wanted
    assert shown.locator("ol").count() == 2  # opened: both arms' lists
    assert shown.locator("ol li").first.is_visible()
    told = light.page.locator("#found-users").inner_text()
    assert told.startswith(f"1 of {people.count()} users shown, hits in ten: better ")
    light.page.keyboard.press("Escape")
    assert shown.count() == people.count()


def test_only_users_whom_the_arms_hit_differently_can_be_shown(light: Opened):
    people = light.page.locator("details.person")
    light.page.get_by_label("only the").check()
    shown = people.locator("visible=true")
    assert 0 < shown.count() == light.page.locator("details[data-differs]").count() < people.count()
    counted = shown.evaluate_all("found => found.map((one) => JSON.parse(one.dataset.hits))")
    assert all(one["better"] != one["good"] for one in counted)
    told = light.page.locator("#found-users").inner_text()
    assert told.endswith(
        f"better {sum(c['better'] for c in counted)}, good {sum(c['good'] for c in counted)}"
    )
    light.page.get_by_label("only the").uncheck()
    assert people.locator("visible=true").count() == people.count()


def test_pages_of_one_folder_share_what_draws_their_figures(chromium: Browser, tmp_path: Path):
    lean = shared(page())
    assert len(lean.text) < 1_500_000 < len(page())
    (tmp_path / lean.script_name).write_text(lean.script, encoding="utf-8")
    (tmp_path / "report.html").write_text(lean.text, encoding="utf-8")
    found = opened(chromium, tmp_path / "report.html")
    assert found.told == []
    assert found.page.evaluate("window.planted") is None
    found.page.context.close()


def test_search_says_that_nobody_is_found(light: Opened):
    light.page.get_by_label("Find a user").fill("nobody")
    assert light.page.locator("details.person").locator("visible=true").count() == 0
    assert "No user drawn for this page" in light.page.locator("#found-users").inner_text()
    light.page.keyboard.press("Escape")


@pytest.mark.parametrize(("scheme", "paper"), [("light", LIGHT), ("dark", DARK)])
def test_page_and_figures_follow_light_and_dark(chromium: Browser, file: Path, scheme: str, paper: str):
    found = opened(chromium, file, scheme)
    assert found.page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    text = "getComputedStyle(document.querySelector('#power .ytitle')).fill"
    soft = "getComputedStyle(document.querySelector('figcaption')).color"
    assert found.page.evaluate(text) == found.page.evaluate(soft)
    found.page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    until(found.page, f"{text} === {soft}")  # redrawn when the scheme turns
    assert found.told == []
    found.page.context.close()


def test_a_narrow_screen_scrolls_tables_not_the_page(chromium: Browser, file: Path):
    found = opened(chromium, file, width=390)
    assert found.page.evaluate("document.documentElement.scrollWidth") <= 390
    found.page.context.close()


def test_headings_and_tables_can_be_walked_by_a_screen_reader(light: Opened):
    assert light.page.locator("h1").count() == 1
    assert light.page.locator("section > h2").count() == light.page.locator("section").count()
    assert light.page.locator("table").count() == light.page.locator("table > caption").count()
    assert light.page.locator("th:not([scope])").count() == 0
    assert light.page.locator("figure").count() == light.page.locator("figure > figcaption").count()


def test_images_are_shown_once_each_and_say_nothing(light: Opened):
    image = light.page.locator(".image").first
    assert image.evaluate("node => getComputedStyle(node).backgroundImage").startswith('url("data:image/jpeg')
    assert image.get_attribute("aria-hidden") == "true"
