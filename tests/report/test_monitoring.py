"""The monitoring page says what was measured, to the figure, and opens as a reader opens it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from components.monitoring.result import past_looks
from components.report import render_monitoring
from components.report.text import number
from tests.browsing import CHROMIUM, FLAGS
from tests.report.monitored import look, looks
from tests.report.reading import drawn
from tests.report.test_browser import DARK, LIGHT, Opened, opened


def rendered() -> str:
    return render_monitoring(look(), looks())


def test_same_inputs_same_bytes() -> None:
    assert rendered() == rendered()


def test_a_series_holds_every_look_in_order() -> None:
    """PSI of the hour rose from .06 over .18 to .3; a measure that never had a value has no figure."""
    figures = drawn(rendered())
    assert len(figures) == 4
    hour = next(one["data"][0] for one in figures if one["data"][0]["y"] == [0.06, 0.18, 0.3])
    assert [day[:10] for day in hour["x"]] == ["2024-03-17", "2024-03-24", "2024-03-31"]
    assert hour["marker"]["color"] == ["good", "wait", "bad"]


def test_a_look_of_another_shape_is_left_out_of_the_history() -> None:
    kept = look().to_dict()
    assert len(past_looks([kept, {"status": "ok"} | dict.fromkeys(kept, 1), kept])) == 2


def test_a_single_look_is_drawn_too() -> None:
    page = render_monitoring(look(), looks()[-1:])
    assert len(drawn(page)) == 4


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("monitoring") / "index.html"
    written.write_text(rendered(), encoding="utf-8")
    return written


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome is installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def light(chromium: Browser, file: Path) -> Iterator[Opened]:
    found = opened(chromium, file)
    yield found
    found.page.context.close()


def test_the_page_says_what_was_measured(light: Opened) -> None:
    """Row by row: title, status, value, bounds and reason."""
    rows = {
        row.locator("th").first.inner_text().splitlines()[0]: row.locator("td").all_inner_texts()
        for row in light.page.locator("tbody tr").all()
    }
    assert len(rows) == len(look().measures)
    for measure in look().measures:
        status, value, _, bounds, *_, why = rows[measure.title]
        assert status == measure.status
        assert value == ("–" if measure.value is None else number(measure.value, ".3g"))
        assert bounds == f"{measure.warn:g}, {measure.drift:g}"
        assert why == measure.reason


def test_the_verdict_its_reasons_and_the_next_command_come_first(light: Opened) -> None:
    head = light.page.locator("#verdict")
    assert head.locator(".outcome").inner_text().startswith("DRIFT")
    assert head.bounding_box()["y"] < 400
    told = head.locator("li").all_inner_texts()
    assert told[0].startswith("Hour of the day: 0.3 is at least 0.25")
    assert any(line.startswith("Next: recloop retrain") for line in told)


def test_nothing_is_asked_of_a_network_and_no_text_becomes_a_script(light: Opened) -> None:
    assert light.told == []
    assert light.asked == []
    assert light.page.evaluate("window.planted") is None


def test_every_series_is_drawn(light: Opened) -> None:
    for canvas in light.page.locator(".series .canvas").all():
        assert canvas.locator(".point").count() == 3
        assert canvas.get_attribute("aria-label")


@pytest.mark.parametrize(("scheme", "paper"), [("light", LIGHT), ("dark", DARK)])
def test_it_follows_light_and_dark_and_fits_a_narrow_screen(
    chromium: Browser, file: Path, scheme: str, paper: str
) -> None:
    found = opened(chromium, file, scheme, width=390)
    assert found.page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    assert found.page.evaluate("document.documentElement.scrollWidth") <= 390
    found.page.context.close()
