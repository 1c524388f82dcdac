"""Lines of the terminal: what came of a stage, and texts that are no markup."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.local import console


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> console.Console:
    recorded = console.Console(record=True, width=120, highlight=False)
    monkeypatch.setattr(console, "console", recorded)
    return recorded


def test_a_stage_says_how_long_it_took_or_that_it_was_reused(said: console.Console) -> None:
    console.stage_line("train mmgrec", 12.34, False, "abc")
    console.stage_line("judge", 0.01, True, "HOLD: no [difference] found")
    first, second = said.export_text().splitlines()
    assert first.split() == ["✓", "train", "mmgrec", "12.3", "s", "abc"]
    assert "reused" in second
    assert "no [difference] found" in second  # brackets are text


def test_warnings_and_dimmed_lines_are_text(said: console.Console) -> None:
    console.warning_line("[x] of y")
    console.dimmed("[bold]z")
    assert said.export_text().splitlines() == ["  ! [x] of y", "[bold]z"]


def test_a_bar_takes_figures_and_leaves_no_trace(said: console.Console) -> None:
    with console.progress_bar("train") as on_step:
        on_step(1, 10, {"loss": 0.5})
    assert said.export_text().strip() == ""


def test_a_bar_shows_from_the_beginning_what_is_to_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = console.Console(width=100, highlight=False, file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(console, "console", terminal)
    with console.progress_bar("rank popularity", total=1003) as on_step:
        pass
    assert "0/1003" in terminal.file.getvalue()  # type: ignore[attr-defined]
    with console.progress_bar("rank popularity", total=1003) as on_step:
        on_step(512, 1003, {})
    assert " 512/1003" in terminal.file.getvalue()  # type: ignore[attr-defined]


def test_an_error_copies_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = "/home/somebody/projects/shop/.recloop/artifacts/bundle/0123456789abcdef"
    console.error_message(ValueError(f"{path}: holds another bundle. Remove it and fetch it anew."))
    assert capsys.readouterr().err.splitlines() == [
        "ValueError", f"{path}: holds another bundle. Remove it and fetch it anew.",
    ]  # fmt: skip


def test_json_is_plain_whatever_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.say_json({"at": datetime(2026, 11, 29, tzinfo=UTC), "path": Path("a"), "long": "x" * 200})
    assert json.loads(capsys.readouterr().out) == {
        "at": "2026-11-29T00:00:00+00:00", "path": "a", "long": "x" * 200,
    }  # fmt: skip


def test_a_path_longer_than_the_terminal_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = console._Spoken(record=True, width=40, highlight=False, file=io.StringIO())
    monkeypatch.setattr(console, "console", narrow)
    path = "/home/somebody/projects/shop/.recloop/monitoring/index.html"
    narrow.print(f"[bold]monitoring[/bold] drift, version 2: {path}")
    narrow.print("words of an ordinary length are broken between two of them")
    first, *others = narrow.export_text().splitlines()
    assert first.endswith(path)
    assert [len(line) <= 40 for line in others] == [True, True]
