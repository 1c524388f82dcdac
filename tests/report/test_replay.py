"""The report without a browser: what stands on the page, what may not, and the figures it draws."""

from __future__ import annotations

import numpy as np

from components.report import render_report
from tests.evaluation.judging import judge
from tests.evaluation.worlds import plan_of
from tests.report.reading import RUNS
from tests.report.reported import PROFILE, judged, page, picture, titles, world

# --- the page ------------------------------------------------------------------------------------------


def test_page_says_what_it_is_first_and_then_the_verdict_with_its_reasons():
    text = page().split("<main>")[1]
    order = ["not lift", "PROMOTE", "better on NDCG@10", "guarded, and holds", "not evaluable", 'id="checks"']
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
