"""The box at the end of a cycle says what happened: verdict, reasons, arms, costs, and where to look."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from flows.cli.summary_box import summary_box
from flows.summary import CycleSummary
from tests.flows.test_record import TOLD


def drawn(summary: CycleSummary) -> str:
    console = Console(record=True, width=120, highlight=False, file=io.StringIO())
    console.print(summary_box("cycle 1", summary))
    return " ".join(console.export_text().replace("│", " ").split())


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, None, "HOLD version 1 was evaluated; there is no champion yet"),
        ("3", "3", "HOLD version 1 was evaluated; version 3 stays champion"),
        (None, "1", "HOLD version 1 is champion, the first champion"),
        ("3", "1", "HOLD version 1 is champion in place of version 3"),
    ],
)
def test_who_is_champion_now(before: str | None, after: str | None, told: str) -> None:
    assert told in drawn(replace(TOLD, champion_before=before, champion_after=after))


def test_everything_told_stands_in_the_box() -> None:
    text = drawn(TOLD)
    for told in (
        "· no difference found",
        "40 events received = 39 accepted + 1 quarantined (naive_timestamp 1) + 0 duplicates",
        "replay 3 users, 9 lists",
        "mmgrec challenger 0.1000 [0.0500, 0.1500] 0.2000",
        "judge 3.0 10",
        "of it, in engines 2.0",
        "replay report r.html",
    ):
        assert told in text, told


def test_why_the_tokenizer_is_new_stands_in_the_box() -> None:
    assert "tokenizer refitted, since" in drawn(replace(TOLD, tokenizer_note="refitted, since on 40 items …"))
    assert "tokenizer refitted" not in drawn(TOLD)


def test_the_same_story_when_nothing_was_done_again() -> None:
    text = drawn(TOLD.all_reused())
    assert "judge reused" in text
    assert "cycle 0.0" in text
