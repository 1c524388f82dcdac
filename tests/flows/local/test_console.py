"""Lines of the terminal: what came of a stage, and texts that are no markup."""

from __future__ import annotations

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
