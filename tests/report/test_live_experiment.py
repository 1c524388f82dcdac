"""The report of a live test: what was called, on what, and nothing of a difference where the split is broken."""

from __future__ import annotations

import numpy as np

from components.evaluation.live_test import LiveResult, LiveUsers, read_live_test, small
from components.report import render_live_report
from components.report.text import number

FACTS = [("Salt", "<spring>", "of the hash")]


def result(rates: tuple[float, float], *, num: int = 600, lost: float = 0.0) -> LiveResult:
    rng = np.random.default_rng(1)
    arm = rng.integers(0, 2, num)
    arm = arm[(arm == 1) | (rng.random(num) >= lost)]
    outcome = (rng.random(len(arm)) < np.array(rates)[arm]).astype(float)
    users = LiveUsers(
        arm=arm, outcome=outcome, is_settled=np.ones(len(arm), dtype=bool), lists=np.ones(len(arm), dtype=np.int64),
        rewarded=outcome.astype(np.int64),
    )  # fmt: skip
    return read_live_test(users, small(), share=0.5, champion="version 1", challenger="version 2")


def test_figures_are_those_of_the_result_and_names_are_escaped():
    found = result((0.2, 0.7))
    text = render_live_report(found, salt="<spring>", facts=FACTS)
    assert 'id="verdict" class="PROMOTE"' in text
    assert "<spring>" not in text
    assert "Live test &lt;spring&gt;" in text
    assert found.path is not None
    assert number(found.path.mean[-1], "+.4f") in text
    for variant in (found.champion, found.challenger):
        assert f">{number(variant.outcome_rate)}<" in text
    assert "as they came" in text
    assert text == render_live_report(found, salt="<spring>", facts=FACTS)


def test_a_broken_split_is_marked_and_tells_no_difference():
    found = result((0.2, 0.7), lost=0.6)
    text = render_live_report(found, salt="s", facts=[])
    assert 'id="verdict" class="INVALID"' in text
    assert '<p class="failed">' in text
    assert "There is no difference to be told" in text


def test_too_few_users_are_told():
    text = render_live_report(result((0.2, 0.7), num=60), salt="s", facts=[])
    assert 'class="HOLD"' in text
    assert "no look counts yet" in text
