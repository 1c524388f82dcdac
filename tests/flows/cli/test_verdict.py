"""`recloop verdict`: markdown that a job summary and a comment show as a table."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from flows.cli.verdict import NoVerdict, verdict
from flows.cli.verdict_markdown import MARKER, verdicts_markdown
from flows.summary import ArmFigure, ChallengerBeside, CycleSummary
from tests.flows.worlds import Home

SUMMARY = CycleSummary(
    cycle_id="c1", source="synthetic", as_of="2026-03-01T00:00:00", train_cutoff="2026-02-01T00:00:00",
    received=10, accepted=7, quarantined=2, duplicates=1, quarantine_reasons={}, train_events=1000,
    window_users=40, window_requests=90, verdict="PROMOTE", reasons=("better than popularity | by far",),
    version="2", champion_before="1", champion_after="2", tokenizer="t", tokenizer_reused=True, new_ids=0,
    arms=(
        ArmFigure(arm="mmgrec", role="challenger", ndcg=0.1274, ndcg_low=0.1186, ndcg_high=0.1364, hit_rate=0.3249,
                  challenger_lead=None, lead_low=None, lead_high=None),
        ArmFigure(arm="popularity", role="baseline", ndcg=0.0482, ndcg_low=0.0432, ndcg_high=0.0537, hit_rate=0.1493,
                  challenger_lead=0.0792, lead_low=0.0697, lead_high=0.0887),
    ),
    stages=(), seconds=61.4, addresses={},
)  # fmt: skip


def test_an_example() -> None:
    lines = verdicts_markdown([SUMMARY]).splitlines()
    assert lines[0] == MARKER
    assert lines[1] == "## PROMOTE: version 2"
    assert "- better than popularity \\| by far" in lines
    assert "| mmgrec | challenger | 0.1274 | [0.1186, 0.1364] | 0.3249 |  |" in lines
    assert (
        "| popularity | baseline | 0.0482 | [0.0432, 0.0537] | 0.1493 | +0.0792 [+0.0697, +0.0887] |" in lines
    )


def test_who_else_challenged_is_named() -> None:
    ease = ChallengerBeside(arm="ease", version="3", verdict="HOLD", reason="no difference from champion")
    lines = verdicts_markdown([replace(SUMMARY, beside=(ease,))]).splitlines()
    assert "- Also challenged: ease HOLD, version 3: no difference from champion" in lines
    assert "Also challenged" not in verdicts_markdown([SUMMARY])


def test_who_is_champion_is_said_first() -> None:
    told = {
        ("1", "2"): "On synthetic: version 2 is champion, in place of version 1.",
        (None, "2"): "On synthetic: version 2 is champion, the first.",
        ("1", "1"): "On synthetic: version 1 stays champion.",
        (None, None): "On synthetic: there is no champion yet.",
    }
    for (before, after), line in told.items():
        summary = replace(SUMMARY, source="/data/synthetic", champion_before=before, champion_after=after)
        assert verdicts_markdown([summary]).splitlines()[3] == line


def test_only_pages_that_others_can_open_are_linked() -> None:
    addresses = {
        "replay report": "/home/ci/reports/x.html",
        "Prefect run": "http://127.0.0.1:4200/runs/flow-run/1",
        "MLflow version": "https://mlflow.example.org/#/models/recloop/versions/2",
    }
    told = verdicts_markdown([replace(SUMMARY, addresses=addresses)]).splitlines()
    assert "- Pages: [MLflow version](https://mlflow.example.org/#/models/recloop/versions/2)" in told
    assert not [line for line in told if "127.0.0.1" in line or "/home/ci" in line]


def test_a_reason_brings_no_html() -> None:
    told = verdicts_markdown([replace(SUMMARY, reasons=("<img src=x> and <!-- recloop verdict -->",))])
    assert told.count("<") == 1  # the marker's


def test_no_cycle_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path))
    with pytest.raises(NoVerdict, match="no cycle has been finished"):
        verdict(last=1)


def test_finished_cycles_are_told(finished: Home) -> None:
    """Both cycles of a real home: a table of the same width throughout, with every arm that was replayed."""
    done = finished.recloop("verdict", "--last", "5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(MARKER)
    assert (
        len(re.findall(r"^## (PROMOTE|REJECT|HOLD|INVALID): version \d+$", done.stdout, flags=re.MULTILINE))
        == 2
    )
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}
    always = {"mmgrec", "champion", "popularity", "recent_popularity", "random"}
    assert always <= {row.split("|")[1].strip() for row in rows}
    latest = finished.recloop("verdict")
    assert latest.stdout.count("\n## ") == 1
