"""The report of a judged log: its figures are the evidence's, and a browser shows it without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

from components.evaluation.counterfactual.evaluation import LoggedResult, evaluate_logged
from components.evaluation.counterfactual.logged import LoggedFeedback
from components.evaluation.counterfactual.profile import small
from components.report import render_logged_report
from tests.browsing import CHROMIUM, FLAGS
from tests.evaluation.counterfactual.worlds import draw_log, make_world
from tests.report.reading import drawn
from tests.report.test_browser import opened

PROFILE = replace(small(), resamples=2_000)


@cache
def log() -> LoggedFeedback:
    """Of a policy that the target improves on; the first 50 rounds are such as the target would never show."""
    drawn = draw_log(make_world(lift=1.0), 4_000, np.random.default_rng(0), knows_policy=False)
    target = drawn.target.copy()
    target[:50] = 0
    return replace(drawn, target=target)


@cache
def result() -> LoggedResult:
    return evaluate_logged(log(), PROFILE, logging_policy="old", target_policy="<b>new</b>")


def page() -> str:
    return render_logged_report(result(), log().weight, "clicks & more")


def test_the_verdict_stands_at_the_head_and_names_are_escaped() -> None:
    text = page()
    assert f'class="{result().verdict.outcome}"' in text
    assert "<b>new</b>" not in text
    assert "&lt;b&gt;new&lt;/b&gt;" in text
    assert "clicks &amp; more" in text
    assert len(text) < 6_000_000


def test_the_same_bytes_twice() -> None:
    assert page() == page()


def test_the_forest_holds_every_estimator_that_has_an_interval() -> None:
    forest = drawn(page())[0]
    shown = sorted(x for trace in forest["data"] for x in trace["x"])
    expected = sorted(e.delta for e in result().estimates if np.isfinite(e.delta_lower))
    assert len(expected) == 3  # IPS, SNIPS, clipped IPS: the policy is not known over all actions
    np.testing.assert_allclose(shown, expected, rtol=1e-5)


def test_the_histograms_count_every_round_and_all_the_weight() -> None:
    _, rounds, carried = drawn(page())
    assert sum(rounds["data"][0]["y"]) == 4_000 - 50
    assert sum(carried["data"][0]["y"]) == pytest.approx(100, abs=1e-2)
    assert "50 rounds have weight 0" in page()


def test_a_log_without_any_weight() -> None:
    nowhere = replace(log(), target=np.zeros(len(log())))
    judged = evaluate_logged(nowhere, PROFILE)
    text = render_logged_report(judged, nowhere.weight, "nowhere")
    assert 'class="INVALID"' in text
    assert "No logged action is one that the target policy would take" in text
    shown = re.sub(r"<(script|style)[^>]*>.*?</(script|style)>|<[^>]*>", " ", text, flags=re.S)
    assert not re.search(r"\bnan\b|\binf\b", shown)


# --- in a browser --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome is installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it_without_a_word(chromium: Browser, tmp_path: Path, scheme: str) -> None:
    (tmp_path / "report.html").write_text(page(), encoding="utf-8")
    found = opened(chromium, tmp_path / "report.html", scheme)
    assert (found.told, found.asked) == ([], [])
    head = found.page.locator("#verdict .outcome")
    assert head.inner_text().startswith(str(result().verdict.outcome))
    assert head.bounding_box()["y"] < 400
    for canvas in found.page.locator(".canvas").all():
        assert canvas.locator(".point").count() > 0
    found.page.context.close()
