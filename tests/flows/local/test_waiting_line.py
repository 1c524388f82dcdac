"""A command that has nothing to say for two seconds says that it works: once in a pipe, by a line on a terminal."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator

import pytest

from flows.local import console, waiting_line
from flows.local.waiting_line import WaitingLine, held, pause

SOON, LATER = 0.05, 5.0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def stderr_is(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """In the test itself: pytest puts its own in place between a fixture and its test."""
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[WaitingLine]:
    """The line of a command that is going on."""
    made = WaitingLine("recloop verify", patience=SOON)
    monkeypatch.setattr(waiting_line, "_now", made)
    yield made
    made.hold(1)


def until(found: io.StringIO, text: str) -> bool:
    """Whether the text comes within some seconds: as long as a busy machine may take."""
    deadline = time.monotonic() + LATER
    while text not in found.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    return text in found.getvalue()


def test_in_a_pipe_it_is_one_plain_line_however_often_silence_returns(
    monkeypatch: pytest.MonkeyPatch, line: WaitingLine
) -> None:
    piped = stderr_is(io.StringIO(), monkeypatch)
    line.arm()
    assert until(piped, "recloop verify: working\n")
    pause()
    time.sleep(4 * SOON)
    assert piped.getvalue() == "recloop verify: working\n"


def test_a_command_that_answers_at_once_says_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = stderr_is(io.StringIO(), monkeypatch)
    with waiting_line.waiting_line("recloop status"):
        pass
    time.sleep(2 * SOON)
    assert piped.getvalue() == ""
    assert waiting_line._now is None


def test_on_a_terminal_it_counts_and_leaves_when_something_is_said(
    monkeypatch: pytest.MonkeyPatch, line: WaitingLine
) -> None:
    terminal = stderr_is(Terminal(), monkeypatch)
    monkeypatch.setenv("TERM", "xterm")
    line.arm()
    assert until(terminal, "recloop verify")
    assert "0:00:0" in terminal.getvalue()
    console.console.print("a word")
    assert line._drawn is None, "two would write on one line"


def test_a_bar_and_the_line_are_never_drawn_together(
    monkeypatch: pytest.MonkeyPatch, line: WaitingLine
) -> None:
    piped = stderr_is(io.StringIO(), monkeypatch)
    with held():
        line.arm()
        time.sleep(4 * SOON)
        assert piped.getvalue() == ""
    assert until(piped, "working")


def test_a_command_that_stays_is_silent_once_it_has_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = stderr_is(io.StringIO(), monkeypatch)
    stays = WaitingLine("recloop ui", returns=False, patience=SOON)
    stays.arm()
    stays.spoke()
    time.sleep(4 * SOON)
    assert piped.getvalue() == ""
