"""What a person sees while a command has nothing to say: after two seconds, that it works, and for how long.

On a terminal a line on stderr that counts seconds and goes when something is printed; elsewhere one plain line, once.
stdout stays what the command says. What prints past `flows.local.console` calls `pause` first.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE_SECONDS = 2.0
_now: WaitingLine | None = None


class WaitingLine:
    """One command's line. `returns`: whether it comes again after the command has said something."""

    def __init__(self, what: str, *, returns: bool = True, patience: float = PATIENCE_SECONDS) -> None:
        self._what, self._returns, self._patience = what, returns, patience
        self._timer: threading.Timer | None = None
        self._drawn: Progress | None = None
        self._said_plainly = False
        self._held = 0  # bars that are drawn now, and questions that wait for an answer
        self._lock = threading.RLock()

    def arm(self) -> None:
        """Appear after the patience is over, unless `stop` comes first."""
        with self._lock:
            self.stop()
            if not self._held:
                self._timer = threading.Timer(self._patience, lambda: self._appear(timer))
                timer = self._timer
                timer.daemon = True
                timer.start()

    def stop(self) -> None:
        """Take the line away."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            if self._drawn is not None:
                self._drawn.stop()
            self._timer = self._drawn = None

    def spoke(self) -> None:
        """Something was said: wait anew."""
        self.arm() if self._returns else self.stop()

    def hold(self, by: int) -> None:
        """Stay away while somebody else draws (1), and no longer (-1)."""
        with self._lock:
            self._held += by
            self.spoke()

    def _appear(self, timer: threading.Timer) -> None:
        with self._lock:
            if self._timer is not timer:  # stopped, or armed anew, while this one went off
                return
            if _is_terminal(sys.stderr):
                self._drawn = _counting(self._what)
                self._drawn.start()
            elif not self._said_plainly:
                self._said_plainly = True
                print(f"{self._what}: working", file=sys.stderr, flush=True)


@contextmanager
def waiting_line(what: str, *, returns: bool = True) -> Iterator[None]:
    """Have a line for as long as the block runs."""
    global _now
    _now = line = WaitingLine(what, returns=returns)
    line.arm()
    try:
        yield
    finally:
        _now = None
        line.hold(1)


def pause() -> None:
    """Called before something is printed: the line goes, and comes again if silence follows."""
    if _now is not None:
        _now.spoke()


@contextmanager
def held() -> Iterator[None]:
    """No line while the block draws its own, or asks a person."""
    line = _now
    if line is not None:
        line.hold(1)
    try:
        yield
    finally:
        if line is not None:
            line.hold(-1)


def _counting(what: str) -> Progress:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", style="dim"), TimeElapsedColumn())
    # stdout is left alone: it may be a file, whatever stderr is
    progress = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    progress.add_task(what, total=None)
    return progress


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"
