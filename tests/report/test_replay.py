"""The report without a browser: what stands on the page, what may not, and the figures it draws."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from datetime import UTC
from importlib.resources import files

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.evaluation.plan import ReplayPlan
from components.evaluation.scores import canonical_for
from components.report import render_report
from components.report.exposure import lorenz
from components.report.figure import Plot, figure
from components.report.forest import ForestRow, forest
from components.report.histogram import histogram
from components.report.people import draw_people
from components.report.power import ALONE, WHOLE_GATE
from components.report.replay import PLACES
from components.report.table import Column, figure_of, table, word
from components.report.text import number, safe, share, span
from components.report.thumbnails import thumbnail, thumbnails
from tests.evaluation.judging import judge
from tests.evaluation.worlds import plan_of
from tests.report.reported import PROFILE, judged, page, picture, titles, world

DRAWN = re.compile(r'<script type="application/json">(.*?)</script>')
RUNS = re.compile(r"<script>(.*?)</script>", re.S)


def drawn(text: str) -> list[dict]:
    return [json.loads(found) for found in DRAWN.findall(text)]


def color_names(value: object, key: str = "") -> set[str]:
    """What stands wherever plotly takes a colour."""
    if isinstance(value, dict):
        return set().union(*(color_names(entry, name) for name, entry in value.items()), set())
    if isinstance(value, list):
        return set().union(*(color_names(entry, key) for entry in value), set())
    return {value} if isinstance(value, str) and key.lower().endswith("color") else set()


def painted(value, key: str = ""):
    if isinstance(value, dict):
        return {name: painted(entry, name) for name, entry in value.items()}
    if isinstance(value, list):
        return [painted(entry, key) for entry in value]
    return "#123456" if isinstance(value, str) and key.lower().endswith("color") else value


# --- the page ------------------------------------------------------------------------------------------


def test_page_says_what_it_is_first_and_then_the_verdict_with_its_reasons():
    text, result = page().split("<main>")[1], judged()
    order = ["not lift", "PROMOTE", *(safe(reason) for reason in result.reasons), 'id="checks"']
    at = [text.index(part) for part in order]
    assert at == sorted(at)


def test_every_section_of_the_specification_is_there():
    for anchor in (
        "checks", "differences", "slices", "power", "arms", "exposure", "latency", "looks", "rehearsal",
        "people", "provenance",
    ):  # fmt: skip
        assert page().count(f'<section id="{anchor}"') == 1, anchor
    result = judged()
    for digest in (result.digest, result.data_digest, result.gate_hash, *result.digests.values()):
        assert digest in page()


def test_page_is_light_enough_and_loads_plotly_once():
    assert len(page().encode()) < 6_000_000
    assert page().count("plotly.js v") == 1


def test_same_inputs_give_the_same_bytes():
    plan, lists = world()
    turned = dict(reversed(lists.items()))
    again = render_report(judged(), plan, turned, dict(reversed(titles().items())), images=picture)
    assert again == page()


def test_titles_cannot_become_markup():
    text = page()
    assert "<script>window.planted" not in text
    assert "<img" not in text
    assert "&lt;script&gt;window.planted" in text
    assert len(RUNS.findall(text)) == 2  # plotly and our own


def test_policy_names_exactly_the_scripts_that_run():
    """A policy with other digests would leave the page without figures, and tells so only in a browser."""
    text = page()
    allowed = set(re.findall(r"'(sha256-[^']+)'", text.split("</head>")[0]))
    found = {
        f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
        for script in RUNS.findall(text)
    }
    assert allowed == found
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("a\0b\ud800c", "a\ufffdb\ufffdc"),
        ("<b>&\"'", "&lt;b&gt;&amp;&quot;&#x27;"),
        ("x" * 1_000_000, "x" * 159 + "…"),
        ("'; DROP TABLE items;--", "&#x27;; DROP TABLE items;--"),
        ("🎬 שלום", "🎬 שלום"),
    ],
)
def test_text_that_no_page_can_hold_is_made_safe(title, shown):
    assert safe(title) == shown
    plan, lists = world()
    text = render_report(judged(), plan, lists, dict.fromkeys(plan.catalogue, title), num_people=1)
    assert shown in text
    text.encode()  # a lone surrogate would raise


def test_user_and_arm_names_are_escaped_where_they_stand():
    rows = [("<i>", item, float(n - 2)) for n, item in enumerate("abcd")]
    plan = plan_of(rows)
    people = draw_people(plan, {}, num_people=1, seed=1)
    assert people[0].user == "<i>"
    name = "</script><script>window.planted = true</script>"
    row = ForestRow(name=name, group=name, count="1", value=0.1, lower=0.0, upper=0.2)
    assert "<script>window" not in figure(forest([row], axis=name, caption=name))


def test_a_slice_that_is_too_small_is_called_so():
    strict = replace(PROFILE, validity=replace(PROFILE.validity, min_slice_users=10_000))
    plan, lists = world()
    text = render_report(judged(profile=strict), plan, lists, {})
    slices = text[text.index('<section id="slices"') : text.index('<section id="power"')]
    assert slices.count("not evaluable</span>") == slices.count("fewer than 10,000 users</span>") >= 20
    assert "+0." not in slices  # no figure stands where there are too few users


def test_without_a_champion_the_arms_to_beat_stand_in_its_place():
    plan, lists = world()
    text = render_report(judged(champion=None), plan, lists, {})
    assert "with no champion yet" in text
    people = text[text.index('<section id="people"') :]
    assert all(f"<h3>{arm} " in people for arm in ("better", "popularity", "recent_popularity"))


def test_a_window_without_requests_still_makes_a_page():
    plan = plan_of([("a", "x", 5)])
    lists = {arm: np.zeros((0, 50), dtype=int) for arm in ("new", "popularity")}
    result = judge(plan, lists, "new", None, profile=PROFILE, train_ends={}, digests={}, latency=None)
    text = render_report(result, plan, lists, {})
    assert "INVALID" in text
    assert "No user was asked for" in text


# --- figures -------------------------------------------------------------------------------------------


def test_figures_are_what_plotly_accepts():
    """Plotly's own schema refuses a misspelt key, a colour that is none, a number that is text."""
    figures = drawn(page())
    assert len(figures) == 5  # forest, histogram, power, Lorenz, sequential path
    for description in figures:
        go.Figure(painted(description))


def test_colors_are_named_in_light_and_in_dark():
    css = (files("components.report") / "page.css").read_text()
    light, dark = (
        set(re.findall(r"--([a-z]+): [#r]", part)) for part in css.split("@media (prefers-color", 1)
    )
    named = set().union(*(color_names(description) for description in drawn(page())))
    assert named
    assert named <= light
    assert named - {"clear"} <= dark


def test_power_curve_passes_through_what_was_announced():
    """At the minimum detectable effect the test's curve stands at the profile's power, 80 %; at the effect of
    interest the whole gate's stands where `satisfiability` says."""
    result = judged()
    lines = {line.get("name"): line for plot in drawn(page()) for line in plot["data"]}
    found = next(c for c in result.comparisons if (c.baseline, c.metric) == ("good", "ndcg@10"))
    x, y = lines[ALONE]["x"], lines[ALONE]["y"]
    assert np.interp(found.mde, x, y) == pytest.approx(0.8, abs=0.002)
    assert y[0] == pytest.approx(0.05, abs=1e-6)  # no difference is "found" at the rate of alpha
    gate, promotion = lines[WHOLE_GATE], result.satisfiability.promotion
    assert np.interp(promotion.effect, gate["x"], gate["y"]) == pytest.approx(promotion.power, abs=0.01)


def test_histogram_holds_every_user_who_moved():
    result = judged()
    bars = next(f for f in drawn(page()) if f["data"][0]["type"] == "bar")["data"][0]
    moved = result.scores.of("better", "ndcg@10") != result.scores.of("good", "ndcg@10")
    assert sum(bars["y"]) == moved.sum()
    sides = np.sign(bars["x"])
    assert [c == "good" for c in bars["marker"]["color"]] == (sides > 0).tolist()


def test_forest_draws_each_comparison_and_each_margin():
    result = judged()
    plot = drawn(page())[0]
    points = sorted(x for trace in plot["data"] for x in trace["x"])
    assert points == pytest.approx(sorted(c.delta for c in result.comparisons), abs=1e-5)
    strokes = [s for s in plot["layout"]["shapes"] if s["line"]["color"] == "bad"]
    assert [s["x0"] for s in strokes] == [-0.02]  # recall@50 against the champion


def test_numbers_that_are_not_finite_become_gaps():
    plot = Plot(
        traces=[{"type": "scatter", "y": np.array([1.0, np.nan, np.inf])}], layout={}, height=9, label="",
        caption="",
    )  # fmt: skip
    assert drawn(figure(plot))[0]["data"][0]["y"] == [1.0, None, None]


def test_histogram_takes_any_edges():
    plot = histogram(
        np.array([3, 1]), np.array([0.0, 1.0, 10.0]), colors=["accent", "accent"], axis="weight",
        counted="events", told="two bins", caption="weights", layout={"yaxis": {"type": "log"}},
    )  # fmt: skip
    description = drawn(figure(plot))[0]
    assert description["data"][0]["x"] == [0.5, 5.5]
    assert description["data"][0]["width"] == [1, 9]
    assert description["layout"]["yaxis"]["type"] == "log"
    go.Figure(painted(description))


def test_lorenz_worked_example():
    """Counts 3 and 1: the lesser half of the items holds 1 of 4 places."""
    x, y = lorenz(np.array([3, 1]))
    assert (x.tolist(), y.tolist()) == ([0, 0.5, 1], [0, 0.25, 1])


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=400).filter(any))
def test_lorenz_curve_rises_ever_steeper_below_the_diagonal(counts):
    x, y = lorenz(np.array(counts))
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    slopes = np.diff(y) / np.diff(x)
    assert (np.diff(slopes) >= -1e-9).all()
    assert (y <= x + 1e-12).all()


# --- tables and numbers --------------------------------------------------------------------------------


def test_numbers_are_set_with_a_true_minus_and_a_dash_for_what_is_missing():
    assert number(-0.01234, "+.4f") == "−0.0123"
    assert [number(v) for v in (None, float("nan"), float("inf"))] == ["–"] * 3
    assert share(0.1234) == "12.3 %"
    assert span(-0.5, 0.25, "+.2f") == "[−0.50, +0.25]"


def test_a_table_has_a_caption_headings_and_meanings():
    text = table(
        "What <is> here.",
        [Column(name="Arm", is_number=False), Column(name="p", meaning="two-sided")],
        [[word("a<b"), figure_of(-1.0, ".1f", tone="failed")]],
    )
    assert "<caption>What &lt;is&gt; here.</caption>" in text
    assert '<th scope="col" class="n">p<small>two-sided</small></th>' in text
    assert '<th scope="row">a&lt;b</th>' in text
    assert '<span class="tone failed">−1.0</span>' in text


def test_a_row_that_does_not_fit_its_headings_is_a_bug():
    with pytest.raises(AssertionError, match="3 cells under 1 headings"):
        table("", [Column(name="a")], [[word("x"), word("y"), word("z")]])


# --- people --------------------------------------------------------------------------------------------


def tops(plan: ReplayPlan, lists: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {arm: canonical_for(plan, lists[arm])[:, :PLACES] for arm in ("better", "good")}


def test_people_are_drawn_by_seed_and_shown_as_they_were_judged():
    plan, lists = world()
    shown = tops(plan, lists)
    people = draw_people(plan, shown, num_people=25, seed=7)
    assert people == draw_people(plan, shown, num_people=25, seed=7)
    assert people != draw_people(plan, shown, num_people=25, seed=8)
    assert len({person.user for person in people}) == 25
    for person in people:
        user = list(plan.users).index(person.user)
        request = next(
            r for r in np.flatnonzero(plan.user == user) if plan.request_time[r] == person.moment.timestamp()
        )
        assert person.moment.tzinfo is UTC
        assert person.lists["good"] == tuple(i for i in shown["good"][request].tolist() if i >= 0)
        assert person.history[0] == plan.items[plan.end[request] - 1]  # latest first
        assert person.num_history == plan.end[request] - plan.start[request]


def test_hits_are_marked_where_they_stand():
    plan, lists = world()
    people = draw_people(plan, tops(plan, lists), num_people=30, seed=7)
    hits = sum(person.hits(arm) for person in people for arm in person.lists)
    assert hits > 0
    assert page().count("<li class=hit>") == page().count("✓ hit") == hits


def test_more_people_than_there_are_is_everybody():
    plan, lists = world()
    assert len(draw_people(plan, tops(plan, lists), num_people=10_000, seed=7)) == len(plan.users)


# --- thumbnails ----------------------------------------------------------------------------------------


def test_a_thumbnail_fits_its_box_and_keeps_its_shape():
    """120 x 180 into 60 x 72: the height rules, 48 x 72."""
    small = thumbnail(picture("i03"))
    assert small is not None
    with Image.open(io.BytesIO(small)) as opened:
        assert (opened.format, opened.size) == ("JPEG", (48, 72))


@pytest.mark.parametrize("broken", [None, b"", b"no image", b"\x89PNG\r\n\x1a\n", picture("i01")[:60]])
def test_what_is_no_image_is_left_out(broken):
    assert thumbnail(broken) is None


def test_the_budget_goes_to_what_is_shown_most():
    shown = ["i01", "i02", "i02", "i03", "i03", "i03"]
    whole = thumbnails(shown, picture, budget_bytes=10**6)
    assert set(whole.classes) == {"i01", "i02", "i03"}
    assert whole.style.count("base64,") == 3  # once each, however often it is shown
    little = thumbnails(shown, picture, budget_bytes=len(whole.style.splitlines()[0]))
    assert (set(little.classes), little.wanted) == ({"i03"}, 3)
    assert little.of("i01") == ""
    assert "image" in little.of("i03")


def test_without_images_there_is_no_style_for_them():
    assert thumbnails(["i01"], None, budget_bytes=10**6).style == ""
