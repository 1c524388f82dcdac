"""`recloop demo`: two retraining cycles over real data, told as a team would live them.

Cycle 1 trains before the median event and replays up to the .7 quantile; there is no champion, so it has to
beat popularity. Then the later events arrive, some of them spoiled, and cycle 2 trains a challenger before
the .7 quantile and replays it against the champion on what came after.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import EventWeight, Preset, event_weights

if TYPE_CHECKING:
    from flows.request import CycleRequest
    from flows.settings import Settings
    from flows.summary import CycleSummary

POISONED_ROWS = 11  # one of each kind


def demo(
    data: Annotated[
        str, typer.Option(help="movielens, synthetic, synthetic-small, or a folder")
    ] = "movielens",
    preset: Preset = "default",
    small: Annotated[
        bool,
        typer.Option("--small", help="one quick cycle on a small synthetic world: a verdict in 90 s"),
    ] = False,
    event_weight: EventWeight = None,
) -> None:
    """Take real data through two retraining cycles and print the verdicts.

    What is finished already is told, not done again.
    """
    from flows.cli.summary_box import say_cycle
    from flows.local.console import console, dimmed
    from flows.local.demo_home import enter_demo

    data, preset = ("synthetic-small", "quick") if small else (data, preset)
    settings = enter_demo(data)
    dimmed("reading the data")
    requests = demo_requests(data, preset, settings, event_weights(event_weight))
    from flows.record import finished_cycle
    from flows.settled import settle_cycle

    told = [finished_cycle(settle_cycle(request)) for request in requests]
    if all(told):
        console.print("\nNothing is left to do and nothing has changed since: everything is reused.")
        for number, summary in enumerate(filter(None, told), start=1):
            say_cycle(f"cycle {number}", summary.all_reused())
    else:
        _run_cycles(requests, told, settings)
    _say_goodbye(settings)


def demo_requests(
    data: str, preset: str, settings: Settings, weights: str | None = None
) -> tuple[CycleRequest, ...]:
    """The two cycles, cut by quantiles of the event times of the whole source; one of a small world."""
    from components.data.sources.arrival import moments_at
    from components.data.sources.opening import SMALL, open_source
    from flows.local.console import console
    from flows.request import cycle_request

    source = open_source(data, home=settings.sources)
    if source.terms:
        console.print(f"[dim]{source.terms}[/dim]\n")
    middle, late, end = moments_at(source.read(since=None, until=None).events, (0.5, 0.7, 1.0))
    first = cycle_request(source=data, as_of=late, train_cutoff=middle, preset=preset, event_weights=weights)
    since = None if data == SMALL else late
    last = cycle_request(
        source=data, since=since, as_of=end, train_cutoff=late, preset=preset, poisoned_rows=POISONED_ROWS,
        event_weights=weights,
    )  # fmt: skip
    return (last,) if data == SMALL else (first, last)


def _run_cycles(
    requests: tuple[CycleRequest, ...], told: list[CycleSummary | None], settings: Settings
) -> None:
    """Run what is not finished yet; a finished cycle keeps the record of the run that did its work."""
    from flows.cli.summary_box import say_cycle
    from flows.local.console import console, dimmed
    from flows.local.servers import running_servers
    from flows.warehouse import refuse_if_retraining

    refuse_if_retraining()
    with running_servers(settings, dimmed, loading="flows.cycle") as servers:
        dimmed(f"servers ready after {servers.seconds:.0f} s, counted apart")
        from flows.cycle import retraining_cycle
        from flows.retraining_lease import begun_here

        for number, (request, finished) in enumerate(zip(requests, told, strict=True), start=1):
            if finished:
                say_cycle(f"cycle {number}", finished.all_reused())
                continue
            console.print(
                f"\n[bold]cycle {number}[/bold]: train before {request.train_cutoff:%Y-%m-%d %H:%M}, "
                f"replay until {request.as_of:%Y-%m-%d %H:%M}"
            )
            with begun_here():
                summary = retraining_cycle(request)
            say_cycle(f"cycle {number}", summary)


def _say_goodbye(settings: Settings) -> None:
    """What comes next, a command a line."""
    from flows.local.console import console, whole_line

    shown = os.path.relpath(settings.home)
    shown = shown if not shown.startswith("..") else str(settings.home)
    recloop = "recloop" if shown == ".recloop" else f"recloop --home {shlex.quote(shown)}"
    console.print("\nWhat comes next:")
    whole_line(f"  {recloop} ui                    opens the UIs on this state")
    whole_line(f"  {recloop} status                tells where things stand")
    whole_line(f"  {recloop} recommend --user ID   shows what the champion would recommend")
