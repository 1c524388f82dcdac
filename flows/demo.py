"""The demo: two retraining cycles over real data, told as a team would live them.

Cycle 1 trains before the median event and replays up to the .7 quantile; there is no champion, so it has to
beat popularity. Then the later events arrive, some of them spoiled, and cycle 2 trains a challenger before
the .7 quantile and replays it against the champion on what came after.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import numpy as np

from flows.closing import closing_box
from flows.console import console
from flows.request import CycleRequest
from flows.settings import Settings, apply_environment, load_settings
from flows.summary import CycleSummary

POISONED_ROWS = 11  # one of each kind


def run_demo(data: str, *, preset: str = "default") -> None:
    """Run both cycles on `data` and print their boxes. What is finished already is told, not done again."""
    settings = enter_home(data)
    requests = demo_requests(data, preset, settings)
    from flows.record import finished_cycle

    if all(told := [finished_cycle(request) for request in requests]):
        console.print("\nBoth cycles are finished and nothing has changed since: everything is reused.")
        for number, summary in enumerate(filter(None, told), start=1):
            console.print(closing_box(f"cycle {number}", summary.all_reused()))
        _say_goodbye(settings)
        return
    _run_cycles(requests, told, settings)
    _say_goodbye(settings)


def enter_home(data: str) -> Settings:
    """One warehouse holds one dataset: any but the default one gets a folder of its own under `home`."""
    settings = load_settings()
    if data != "movielens":
        slug = re.sub(r"[^a-z0-9]+", "-", Path(data).name.lower()).strip("-")
        os.environ["RECLOOP_HOME"] = str(settings.home / slug)
        settings = load_settings()
        apply_environment(settings)
    return settings


def demo_requests(data: str, preset: str, settings: Settings) -> tuple[CycleRequest, CycleRequest]:
    """The two cycles, cut by quantiles of the event times of the whole source."""
    from components.data.timestamps import read_timestamps
    from flows.commands import cycle_request
    from flows.source import open_source

    source = open_source(data, settings)
    if source.terms:
        console.print(f"[dim]{source.terms}[/dim]\n")
    events = source.read(settings, since=None, until=None).events
    moments = (
        read_timestamps(events["timestamp"]).moments.dropna().dt.tz_convert(None).sort_values().to_numpy()
    )
    middle, late = (_moment(moments[int(len(moments) * q)]) for q in (0.5, 0.7))
    end = _moment(moments[-1] + np.timedelta64(1, "s"))
    first = cycle_request(source=data, as_of=late, train_cutoff=middle, preset=preset)
    second = cycle_request(
        source=data, since=late, as_of=end, train_cutoff=late, preset=preset, poisoned_rows=POISONED_ROWS
    )
    return first, second


def _run_cycles(
    requests: Iterable[CycleRequest], told: Iterable[CycleSummary | None], settings: Settings
) -> None:
    """Run what is not finished yet; a finished cycle keeps the record of the run that did its work."""
    from flows.servers import running_servers

    with running_servers(settings, lambda text: console.print(f"[dim]{text}[/dim]")) as servers:
        console.print(f"[dim]servers ready after {servers.seconds:.0f} s, counted apart[/dim]")
        from flows.cycle import run_cycle

        for number, (request, finished) in enumerate(zip(requests, told, strict=True), start=1):
            if finished:
                console.print(closing_box(f"cycle {number}", finished.all_reused()))
                continue
            console.print(
                f"\n[bold]cycle {number}[/bold]: train before {request.train_cutoff:%Y-%m-%d %H:%M}, "
                f"replay until {request.as_of:%Y-%m-%d %H:%M}"
            )
            console.print(closing_box(f"cycle {number}", run_cycle(request)))


def _say_goodbye(settings: Settings) -> None:
    shown = os.path.relpath(settings.home)
    at = "" if shown == ".recloop" else f" --home {shown}"
    console.print(
        f"\nLook around: [bold]recloop{at} ui[/bold] opens the UIs on this state, "
        f"[bold]recloop{at} status[/bold] tells where things stand,\n"
        f"[bold]recloop{at} recommend --user ID[/bold] shows what the champion would recommend."
    )


def _moment(value: np.datetime64) -> datetime:
    return datetime.fromisoformat(f"{np.datetime_as_string(value, unit='s')}+00:00")
