"""What a person sees while a run goes on: a line for each stage, a bar on long work."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from flows.local import waiting_line

if TYPE_CHECKING:
    from rich.progress import Progress

_PIPED_WIDTH = 120  # a log file has no width of its own


class _Spoken(Console):
    """A console before whose words the line of a silent command goes, and which breaks lines, but no word.

    A word that is longer than the terminal is wide is a path or an address: its line is left to the terminal to
    break, and copies whole.
    """

    def print(self, *objects: Any, **how: Any) -> None:
        waiting_line.pause()
        texts = [each for each in objects if isinstance(each, str)]
        if any(len(word) >= self.width for text in texts for word in text.split()):
            how.setdefault("soft_wrap", True)
        super().print(*objects, **how)


def _width() -> int | None:
    """What `COLUMNS` says, or the terminal; rich asks both itself."""
    return None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _PIPED_WIDTH


console: Console = _Spoken(highlight=False, width=_width())

OnStep = Callable[[int, int, dict[str, float]], None]


def stage_line(stage: str, seconds: float, reused: bool, note: str) -> None:
    """One finished stage: what, how long, and the figure worth knowing."""
    spent = "[dim]reused[/dim]" if reused else f"{seconds:6.1f} s"
    console.print(f"  [green]✓[/green] {stage:<20} {spent:>8}  [dim]{escape(note)}[/dim]")


def dimmed(text: str) -> None:
    """Something that need not be read."""
    console.print(f"[dim]{escape(text)}[/dim]")


def warning_line(text: str) -> None:
    """Something that a person should know before the work goes on."""
    console.print(f"  [yellow]![/yellow] [dim]{escape(text)}[/dim]")


def whole_line(text: str) -> None:
    """A line that is never broken: what stands in it, a path or a command, copies as one."""
    console.print(text, markup=False, soft_wrap=True)


def leave_stdout() -> None:
    """From now on what a person reads goes to stderr: stdout is a script's."""
    console.stderr = True


def say_json(told: Any) -> None:
    """What a script reads: JSON on stdout, in no colour and of no width; moments as ISO 8601."""
    waiting_line.pause()
    print(json.dumps(told, indent=2, default=_as_json), flush=True)  # a closed pipe is told here, not at exit


def _as_json(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[OnStep]:
    """A bar that `on_step(done, total, figures)` moves, with what is left; it leaves no trace when the work is over.

    `total`, where it is known before the first step, is shown from the beginning.
    """
    with waiting_line.held(), _bar() as progress:
        task = progress.add_task(what, total=total, figures="")

        def on_step(done: int, total: int, figures: dict[str, float]) -> None:
            text = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
            progress.update(task, completed=done, total=total, figures=text)

        yield on_step


def _bar() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("    {task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[figures]}", style="dim"),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def error_message(error: Exception) -> None:
    """A failure that a person can fix, on stderr: what, where, how. Unbroken, so that paths in it copy whole."""
    waiting_line.pause()
    errors = Console(stderr=True, highlight=False)
    errors.print(type(error).__name__, style="bold red")
    errors.print(str(error), markup=False, soft_wrap=True)
