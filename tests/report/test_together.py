"""The challengers of a cycle stand side by side, the one that goes on first, and the rule is said."""

from __future__ import annotations

import pytest

from components.evaluation.several import OneOfSeveral
from components.evaluation.verdict import Outcome
from components.report.together import together_table

EASE = OneOfSeveral(
    challenger="ease", outcome=Outcome.HOLD, reason="no <b> was shown", against="champion", delta=0.0071,
    lower=-0.002, upper=0.016, alpha_one_sided=0.00855,
)  # fmt: skip
HSTU = OneOfSeveral(
    challenger="hstu", outcome=Outcome.PROMOTE, reason="better than champion", against="champion", delta=0.02,
    lower=0.01, upper=0.03, alpha_one_sided=0.00855,
)  # fmt: skip
UNMEASURED = OneOfSeveral(
    challenger="tiger", outcome=Outcome.INVALID, reason="r", against="champion", delta=None, lower=None, upper=None,
    alpha_one_sided=0.00855,
)  # fmt: skip


def test_figures_verdicts_and_alpha_stand_in_a_row_each():
    text = together_table([EASE, HSTU, UNMEASURED], "hstu", "NDCG@10")
    rows = text.split("</tbody>")[0].split("<tr>")[2:]
    assert ["hstu" in rows[0], "ease" in rows[1], "tiger" in rows[2]] == [True, True, True]
    assert ["goes on" in row for row in rows] == [True, False, False]
    for told in ("HOLD", "no &lt;b&gt; was shown", "+0.0071", "[−0.0020, +0.0160]", "0.00855"):
        assert told in rows[1], told
    assert "[–, –]" in rows[2]  # the bounds of what was not measured
    assert "NDCG@10, minus champion" in text


@pytest.mark.parametrize(
    ("challengers", "told"),
    [
        ([EASE, HSTU], "Of those that passed, the one with the largest difference goes on, hstu"),
        ([EASE, UNMEASURED], "None passed. The rest of this page is about ease"),
    ],
)
def test_which_goes_on_and_why_is_said(challengers: list[OneOfSeveral], told: str):
    lead = "hstu" if HSTU in challengers else "ease"
    assert told in together_table(challengers, lead, "NDCG@10")
