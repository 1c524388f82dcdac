"""The box at the end of a cycle says what happened: verdict, reasons, arms, costs, and where to look."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from flows.cli.summary_box import say_cycle, summary_box
from flows.local import console
from flows.summary import ChallengerBeside, CycleSummary
from tests.flows.test_record import TOLD


def lines_of(summary: CycleSummary, width: int = 120) -> list[str]:
    recorded = Console(record=True, width=width, highlight=False, file=io.StringIO())
    recorded.print(summary_box("cycle 1", summary))
    return recorded.export_text().splitlines()


def drawn(summary: CycleSummary) -> str:
    return " ".join(" ".join(lines_of(summary)).replace("│", " ").split())


def said(summary: CycleSummary, monkeypatch: pytest.MonkeyPatch, width: int = 80) -> list[str]:
    """What stands on a terminal of this width at the end of a cycle."""
    recorded = Console(record=True, width=width, highlight=False, file=io.StringIO())
    monkeypatch.setattr(console, "console", recorded)
    say_cycle("cycle 1", summary)
    return recorded.export_text().splitlines()


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
        "40 events = 39 accepted + 0 duplicates + 1 quarantined (naive_timestamp 1)",
        "replay 3 users, 9 lists",
        "mmgrec (challenger) 0.1000 0.2000",
        "cost 5.0 s, 2.0 of them in engines; peak 10 MB",
    ):
        assert told in text, told
    assert "judge" not in text, "stages have said themselves as they went"


def test_why_the_tokenizer_is_new_and_which_stands_in_the_box() -> None:
    assert "tokenizer fitted as fsq" in drawn(
        replace(TOLD, tokenizer_note="fitted as fsq: there was none before")
    )
    assert "tokenizer kept as fsq, as asked" in drawn(replace(TOLD, tokenizer_note="kept as fsq, as asked"))
    assert "tokenizer kept" not in drawn(replace(TOLD, tokenizer_note="kept, as asked"))
    assert "tokenizer refitted, since" in drawn(replace(TOLD, tokenizer_note="refitted, since on 40 items …"))
    assert "tokenizer refitted" not in drawn(TOLD)


def test_challengers_that_did_not_go_on_are_named_with_their_verdicts() -> None:
    beside = tuple(
        ChallengerBeside(arm=arm, version=version, verdict="HOLD", reason="no difference from champion")
        for arm, version in (("ease", "2"), ("hstu", "3"))
    )
    also = replace(TOLD.arms[0], arm="ease", role="also challenger")
    text = drawn(replace(TOLD, beside=beside, arms=(*TOLD.arms, also)))
    assert "beside ease HOLD, version 2: no difference from champion" in text
    assert "beside hstu HOLD, version 3: no difference from champion" in text
    assert "ease (also challenger)" in text
    assert "beside" not in drawn(TOLD)


def test_what_a_share_for_new_items_brought_and_cost_stands_in_the_box() -> None:
    told = (
        "2.1% of places (0.0% without the share); recall@10 0.052 (0.000)",
        "NDCG@10 of other items -0.0012 [-0.003, 0]",
    )
    lines = lines_of(replace(TOLD, new_items_note=told), width=80)
    assert any(f"new items {told[0]}" in line for line in lines)
    assert any(f"          {told[1]}" in line for line in lines)
    assert "new items" not in drawn(TOLD)


def test_the_same_story_when_nothing_was_done_again() -> None:
    assert "cost none: all 2 stages are reused" in drawn(TOLD.all_reused())


def test_of_a_promotion_what_decided_comes_first_and_the_others_are_counted() -> None:
    reasons = (
        "better than popularity",
        "recall holds",
        "coverage keeps",
        "cold users",
        "better than champion +0.02",
    )
    shown = [
        line.strip("│ ")
        for line in lines_of(replace(TOLD, verdict="PROMOTE", reasons=reasons))
        if "·" in line
    ]
    assert shown == [
        "· better than champion +0.02", "· better than popularity", "· recall holds",
        "· 2 more: `recloop verdict`, and the report",
    ]  # fmt: skip


FULL = replace(
    TOLD,
    quarantine_reasons={f"reason_number_{n}": n for n in range(1, 9)},
    reasons=tuple(f"better than baseline_{n} on ndcg@10: +0.3155 [+0.2841, +0.3479], 289 users" for n in range(9)),
    tokenizer_note="refitted, since its health on new items fell: reconstruction 0.31 where 0.12 was measured",
    arms=tuple(
        replace(
            TOLD.arms[0], arm=name, role=role, challenger_lead=lead, lead_low=lead, lead_high=lead
        )
        for name, role, lead in (
            ("semantic_sasrec", "challenger", None), ("champion", "champion", -0.0279), ("popularity", "baseline", 0.3),
            ("recent_popularity", "baseline", 0.3), ("random", "baseline", 0.3), ("sasrec", "baseline", -0.02),
        )
    ),
    addresses={
        "replay report": "/home/somebody/projects/shop/.recloop/reports/2024-02-29-mmgrec-promote-1e719f3a.html",
        "Data Docs": "/home/somebody/projects/shop/.recloop/gx/gx/uncommitted/data_docs/local_site/index.html",
        "Prefect run": "http://127.0.0.1:4200/runs/flow-run/7183e349-a251-4e33-a47f-7909bfc13e22",
        "MLflow run": "",
    },
)  # fmt: skip


def test_it_fits_a_screen_of_80_by_24() -> None:
    box = lines_of(FULL, width=80)
    assert max(map(len, box)) <= 80
    assert len(box) <= 20, "the addresses below it start on the same screen"
    assert any("-0.0279 [-0.0279, -0.0279]" in line for line in box), "the interval that decides is whole"


def test_addresses_copy_whole_and_say_what_must_run(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = said(FULL, monkeypatch)
    for address in filter(None, FULL.addresses.values()):
        assert any(line.split()[-1] == address for line in lines), address
    needs = next(at for at, line in enumerate(lines) if "`recloop ui`" in line)
    assert [line.startswith("Prefect run") for line in lines[needs + 1 :]] == [True]
    assert not any(line.startswith("MLflow run") for line in lines), "there is none"
