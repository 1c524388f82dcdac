"""The front page: what stands, escaped, without the bundle that it does not need."""

from __future__ import annotations

from components.report.front import CycleLine, Fact, Front, Link, render_front
from tests.report.reading import drawn

FRONT = Front(
    home="/srv/<loop>", at="2026-11-29 10:00Z",
    facts=(Fact(name="Champion", value="version 3, mmgrec", note="a -0.5 & more", tone="passed",
                links=(Link(text="in MLflow", url="http://127.0.0.1:5000/#/models/a/versions/3"),)),),
    cycles=(CycleLine(as_of="2026-11-28 00:00Z", verdict="HOLD", reason="no <difference> was shown", version="4",
                      became="then champion: 3", ndcg=0.1234, cost="60 s, 1.8 GB", links=()),),
    reports=(Link(text="2026-11-28-mmgrec-hold", url="http://127.0.0.1:8090/reports/a.html"),),
    engines=(),
)  # fmt: skip


def test_everything_that_stands_is_said_and_escaped() -> None:
    text = render_front(FRONT)
    for part in (
        "/srv/&lt;loop&gt;, at 2026-11-29 10:00Z", "version 3, mmgrec", "a −0.5 &amp; more", ">HOLD<", "tone unproven",
        "no &lt;difference&gt; was shown", "version 4", "0.1234", "60 s, 1.8 GB", "none is running",
        '<a href="http://127.0.0.1:5000/#/models/a/versions/3">in MLflow</a>',
        '<a href="http://127.0.0.1:8090/reports/a.html">2026-11-28-mmgrec-hold</a>',
    ):  # fmt: skip
        assert part in text, part
    assert render_front(FRONT) == text


def test_it_is_small_since_it_draws_nothing() -> None:
    text = render_front(FRONT)
    assert drawn(text) == []
    assert len(text) < 20_000
