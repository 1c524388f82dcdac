"""What the page rests on: every count, digest and seed of the result."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from components.evaluation.alpha_spending import Attempt
from components.report.provenance import facts_list, provenance
from components.report.subject import UNTOLD, Subject
from tests.report.reported import judged


def test_every_count_of_the_window_stands_there():
    result = judged()
    text = provenance(result, UNTOLD)
    counts = {name: n for name, n in asdict(result.window).items() if type(n) is int}
    assert len(counts) == 10
    for name, value in counts.items():
        assert f"<dt>{name.replace('_', ' ').capitalize()}</dt><dd>{value:,}<small>" in text
    assert "<dt>Artifact of better</dt><dd>digest of better" in text


def test_what_is_told_of_the_tokenizer_stands_there_and_is_escaped():
    text = provenance(judged(), Subject(ids="refitted, since <b>"))
    assert "<dt>Tokenizer</dt><dd>refitted, since &lt;b&gt;</dd>" in text
    assert "<dt>Tokenizer</dt>" not in provenance(judged(), UNTOLD)


def test_a_baseline_tells_the_health_of_its_codes():
    text = provenance(judged(), Subject(baseline="1% of codes used"))
    assert (
        "<dt>Health of its codes</dt><dd>1% of codes used<small>of a baseline, for which it is no condition"
        in text
    )
    assert "Health of its codes" not in provenance(judged(), UNTOLD)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"attempt": Attempt(number=3, alpha_one_sided=0.002)}, "<dt>Attempt on this window</dt><dd>3"),
        ({"champion": None}, "<dt>Alpha, one-sided</dt><dd>0.025"),
        ({"compared": "refit at the cut"}, "<dt>Champion compared</dt><dd>refit at the cut"),
    ],
)
def test_what_differs_from_replay_to_replay(change, told: str):
    text = provenance(replace(judged(), **change), UNTOLD)
    assert told in text
    assert ("Champion compared" in text) is ("champion" not in change)


def test_weights_of_event_types_stand_there_where_any_are_said():
    result = judged()
    told = replace(result, window=replace(result.window, event_weights="buy=3,view=0"))
    assert "<dt>Event weights</dt><dd>buy=3, view=0<small>" in provenance(told, UNTOLD)
    assert "Event weights" not in provenance(result, UNTOLD)


def test_facts_are_escaped():
    assert facts_list([("<a>", "<b>", "")]) == ('<dl class="facts"><dt>&lt;a&gt;</dt><dd>&lt;b&gt;</dd></dl>')
