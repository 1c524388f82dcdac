"""What a person sees while a run goes on: a line for each stage, a bar on long work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_PIPED_WIDTH = 120  # a log file has no width of its own
console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)

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


@contextmanager
def progress_bar(what: str) -> Iterator[OnStep]:
    """A bar that `on_step(done, total, figures)` moves; it leaves no trace when the work is over."""
    columns = (
        TextColumn("    {task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}", style="dim"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None, figures="")

        def on_step(done: int, total: int, figures: dict[str, float]) -> None:
            text = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
            progress.update(task, completed=done, total=total, figures=text)

        yield on_step


def error_panel(error: Exception) -> None:
    """A failure that a person can fix: what, where, how."""
    from rich.panel import Panel
    from rich.text import Text

    Console(stderr=True, highlight=False).print(
        Panel(Text(str(error)), title=type(error).__name__, title_align="left", border_style="red")
    )
