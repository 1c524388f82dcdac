"""`recloop plan`: what a retraining would do, told without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.cli.options import Json

if TYPE_CHECKING:
    from rich.table import Table

    from flows.planning import CyclePlan
    from flows.request import CycleRequest

_COLOURS = {"reused": "dim", "runs": "bold", "depends": ""}


def plan(
    request: CycleRequest,
    as_json: Json = False,
) -> None:
    """Tell what `retrain` with the same options would reuse, make and cost. Starts nothing, writes nothing."""
    import warnings

    warnings.filterwarnings("ignore", message="Failed to create the Prefect home")  # a plan makes no home
    from flows.local.console import console, say_json
    from flows.planning import plan_cycle

    told = plan_cycle(request)
    if as_json:
        say_json(as_dict(told))
        return
    cycle = told.cycle
    against = f"version {told.champion} is champion" if told.champion else "there is no champion"
    console.print(
        f"train before {cycle.train_cutoff:%Y-%m-%d %H:%M}Z, replay until {cycle.as_of:%Y-%m-%d %H:%M}Z; "
        f"by the ledger, {against}"
    )
    if weights := cycle.request.event_weights:
        console.print(f"event weights: {weights}", markup=False)
    if preference := cycle.request.preference:
        console.print(f"preference: {preference}", markup=False)
    if tuned := cycle.request.tuned:
        console.print(f"{tuned['arm']} by tuned preset {tuned['digest'][:12]}", markup=False)
    console.print(_table(told))
    for assumed in told.assumes:
        console.print(f"· assumed: {assumed}", markup=False)
    console.print(_total(told), markup=False)


def as_dict(told: CyclePlan) -> dict[str, Any]:
    """JSON values; `seconds` and the like are null where nobody knows."""
    from dataclasses import asdict

    return {
        "cycle": told.cycle.id,
        "train_cutoff": told.cycle.train_cutoff.isoformat(),
        "as_of": told.cycle.as_of.isoformat(),
        "champion": told.champion,
        "event_weights": told.cycle.request.event_weights,
        "preference": told.cycle.request.preference,
        "tuned": told.cycle.request.tuned,
        "stages": [
            asdict(stage) | {"past": asdict(told.past[stage.stage]) if stage.stage in told.past else None}
            for stage in told.stages
        ],
        "assumes": list(told.assumes),
        "never_run": list(told.never_run),
        "cost": asdict(told.cost),
    }


def _table(told: CyclePlan) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage")
    table.add_column("what becomes of it")
    table.add_column("seconds", justify="right")
    table.add_column("peak MB", justify="right")
    table.add_column("runs before", justify="right")
    for stage in told.stages:
        lot = {"reused": "reused", "runs": "will run"}.get(stage.lot)
        lot = lot or f"will run: depends on {_listed(stage.depends_on)}"
        past = told.past.get(stage.stage)
        cost = ["", "", ""]
        if stage.lot != "reused":
            cost = (
                [f"{past.seconds:.1f}", f"{past.peak_mb:,.0f}", str(past.runs)] if past else ["?", "?", "0"]
            )
        table.add_row(stage.stage, lot, *cost, style=_COLOURS[stage.lot])
    return table


def _listed(names: tuple[str, ...], most: int = 3) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _total(told: CyclePlan) -> str:
    reused, cost = len(told.stages) - len(told.to_run), told.cost
    if not told.to_run:
        return f"All {reused} stages are reused: nothing is left to do."
    said = f"{reused} stages reused, {len(told.to_run)} to run: "
    if len(told.never_run) == len(told.to_run):
        return f"{said}none of them has run in this home before, so nobody knows what they cost."
    said += f"about {cost.seconds:.1f} s, up to {cost.peak_mb:,.0f} MB"
    if cost.money is not None:
        said += f", {cost.money:.4g} at RECLOOP_COST_PER_HOUR"
    said += ", by the median of earlier runs in this home, whatever they were asked with."
    if told.never_run:
        said += f" Never run here, and not in the sum: {', '.join(told.never_run)}."
    return said
