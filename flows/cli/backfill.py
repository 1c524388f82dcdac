"""`recloop backfill`: the loop over past windows, and what they say together."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import duration, moment_option

if TYPE_CHECKING:
    from rich.table import Table

    from components.evaluation.backtest import Backtest, TestedArm
    from flows.request import CycleRequest

_COLOURS = {"PROMOTE": "green", "REJECT": "red", "HOLD": "yellow", "INVALID": "red"}


def backfill(
    request: CycleRequest,
    start: Annotated[datetime, moment_option("the first cut: what is earlier is trained on", "--from")],
    end: Annotated[datetime, moment_option("no window reaches beyond this moment", "--to")],
    step: Annotated[
        timedelta,
        typer.Option("--step", parser=duration, metavar="DURATION", help="of a window: 14d, 2w, 12h"),
    ],
    challenger: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARM", help="walked through the windows; several times for several [default: mmgrec]"
        ),
    ] = None,
) -> None:
    """Retrain over past windows in a home apart, and sum them up. Moves no champion, spends no alpha of production.

    Finished windows are told, not done again; a walk that was cut off goes on.
    """
    from flows.backfill import backfill_request
    from flows.local.console import console, dimmed
    from flows.local.servers import running_servers
    from flows.settings import load_settings

    arms = tuple(dict.fromkeys(challenger or ["mmgrec"]))
    asked = backfill_request(start=start, end=end, step=step, challengers=arms, cycle=request)
    with running_servers(load_settings(), dimmed, loading="flows.backfill"):
        from flows.backfill import backfill as walk

        told = walk(asked)
    for arm in told.found.arms:
        console.print(_windows(arm, told.found.metric))
    console.print(_pooled(told.found))
    for note in told.found.notes:
        console.print(f"· {note}", markup=False)
    console.print(f"page      {told.page}\nevidence  {told.evidence}", markup=False)


def _windows(arm: TestedArm, metric: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        title=f"{arm.challenger}: promoted in {arm.num_promoted} of {len(arm.judged)} windows",
        title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    for name in ("window", "verdict", "users", f"{metric}", "minus champion", "minus popularity"):
        table.add_column(name, justify="left" if name in ("window", "verdict") else "right")
    for window in arm.windows:
        verdict = f"[{_COLOURS[window.verdict]}]{window.verdict}[/]" if window.verdict else "no events"
        ndcg = "" if window.ndcg is None else f"{window.ndcg:.4f}"
        leads = [window.leads.get(rival) for rival in ("champion", "popularity")]
        told = [
            f"{lead.delta:+.4f} [{lead.lower:+.4f}, {lead.upper:+.4f}]" if lead else "–" for lead in leads
        ]
        span = f"{window.cut:%Y-%m-%d} to {window.end:%Y-%m-%d}"
        table.add_row(span, verdict, f"{window.users:,}", ndcg, *told)
    return table


def _pooled(found: Backtest) -> Table:
    from rich import box
    from rich.table import Table

    from components.report.backtest import in_order

    level = f"{100 * found.confidence:g} %"
    table = Table(
        title=f"{found.metric} over windows, each counting alike; {level} interval: t over windows, and shared users",
        title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    for name in ("challenger", "minus", "windows", "users", "mean", "interval"):
        table.add_column(name, justify="left" if name in ("challenger", "minus") else "right")
    for arm in found.arms:
        for one in in_order(arm.pooled):
            told = "one window: none" if one.lower is None else f"[{one.lower:+.4f}, {one.upper:+.4f}]"
            table.add_row(
                arm.challenger, one.rival, str(one.windows), f"{one.users:,}", f"{one.mean:+.4f}", told
            )
    return table
