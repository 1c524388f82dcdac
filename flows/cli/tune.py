"""`recloop tune`: search over the settings of an arm, on the window before the cut."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from components.recommender.names import ArmName
from flows.cli.options import Json, Preset, moment_option

if TYPE_CHECKING:
    from rich.table import Table

    from components.tuning.record import Found, Lead
    from flows.request import CycleRequest
    from flows.tuning import Tuned

_OWN = frozenset({"preset", "arm", "trials", "minutes", "validate_from", "seed", "as_json"})


def tune(
    request: CycleRequest,
    context: typer.Context,
    preset: Preset = "default",
    arm: Annotated[
        ArmName, typer.Option(metavar="ARM", help="whose settings are searched; `recloop arms`")
    ] = "mmgrec",
    trials: Annotated[int, typer.Option(min=1, help="at most, the shipped preset the first of them")] = 20,
    minutes: Annotated[
        float, typer.Option(min=0.01, help="by the clock, at most, the confirmation within them")
    ] = 30.0,
    validate_from: Annotated[
        datetime | None,
        moment_option(
            "the validation window is from here to the cut; default: as long as the replay window behind it"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of every draw: the search, tokenizer, training")] = 7,
    as_json: Json = False,
) -> None:
    """Search over an arm's settings on the window before the cut, and write the best as a preset for `retrain`.

    Takes the options of a retraining and looks at nothing after its cut. A study that was cut off goes on.
    """
    from flows.local.console import console, dimmed, leave_stdout, say_json
    from flows.local.servers import running_servers
    from flows.settings import load_settings
    from flows.settled import settle_batch

    if as_json:
        leave_stdout()
    asked = request.model_copy(update={"challenger": arm, "seed": seed, "preset": preset})
    settle_batch(asked)  # whoever asks for what cannot be starts no servers
    with running_servers(load_settings(), dimmed, loading="flows.tuning"):
        from flows.tuning import TuneRequest
        from flows.tuning import tune as search

        tuned = search(TuneRequest(cycle=asked, trials=trials, minutes=minutes, validate_from=validate_from))
    if as_json:
        say_json(as_dict(tuned, asked, _given(context)))
        return
    console.print(_table(tuned.found))
    _say(tuned, asked, _given(context))


def as_dict(tuned: Tuned, asked: CycleRequest, given: Sequence[str]) -> dict[str, object]:
    """JSON values: the preset file's, and beside them where it lies and what to type next."""
    return {
        **tuned.found.as_preset(), "file": str(tuned.file), "digest": tuned.digest, "mlflow": tuned.mlflow,
        "next": next_command(tuned, asked, given),
    }  # fmt: skip


def next_command(tuned: Tuned, asked: CycleRequest, given: Sequence[str]) -> str:
    """The retraining that takes up what was found, or the one that the shipped preset stays with."""
    preset = str(tuned.file) if tuned.found.recommended else asked.preset
    home = os.environ.get("RECLOOP_HOME")
    begin = ["recloop", *(("--home", home) if home else ()), "retrain"]
    cold = ["--cold-start"] if asked.warm_start else []  # as the trials were
    return shlex.join([*begin, "--challenger", tuned.found.arm, "--preset", preset, *cold, *given])


def _given(context: typer.Context) -> list[str]:
    """The words of this command line that a retraining takes too."""
    words: list[str] = []
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if name in _OWN or source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[name]
        if isinstance(value, bool):
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
            continue
        for one in value if isinstance(value, list | tuple) else (value,):
            words += [parameter.opts[0], one.isoformat() if isinstance(one, datetime) else str(one)]
    return words


def _table(found: Found) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        title=f"{found.arm}, {len(found.trials)} trials, best first: {found.objective.metric} on "
        f"{found.objective.users:,} users of the validation window",
        title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    for name in ("trial", found.objective.metric, "CPU s", "settings that differ from the preset's"):
        table.add_column(name, justify="left" if name.startswith("settings") else "right")
    shipped = found.trials[0].settings
    for one in sorted(
        found.trials, key=lambda one: (-(one.value if one.value is not None else -1), one.number)
    ):
        differ = ", ".join(f"{k} {v}" for k, v in one.settings.items() if v != shipped[k])
        told = one.failed or (differ if one.number else "the shipped preset")
        value = "failed" if one.value is None else f"{one.value:.4f}"
        style = "bold" if one.number == found.best else None
        table.add_row(str(one.number + 1), value, f"{one.cpu_seconds:.1f}", told, style=style)
    return table


def _say(tuned: Tuned, asked: CycleRequest, given: Sequence[str]) -> None:
    from flows.local.console import console, whole_line

    found = tuned.found
    spent = found.budget
    console.print(
        f"spent {spent.seconds:,.0f} s by the clock, {spent.cpu_seconds:,.0f} CPU s; ended by {spent.stopped}",
        markup=False,
    )
    if found.searched:
        told = _told(found.searched)
        console.print(
            f"best minus preset, as searched: {told}. The best of {len(found.trials)} flatters itself."
        )
    if found.confirmed:
        seeds = ", ".join(map(str, found.confirmed.seeds))
        console.print(f"best minus preset, fresh seeds {seeds}: {_told(found.confirmed)}", markup=False)
    advice = "use it" if found.recommended else "keep the shipped preset"
    judge = " The replay of the retraining is the judge." if found.recommended else ""
    console.print(f"[bold]{advice}[/bold]: {found.why}.{judge}")
    whole_line(f"preset  {tuned.file}")
    if tuned.mlflow:
        whole_line(f"MLflow  {tuned.mlflow}")
    whole_line(f"next    {next_command(tuned, asked, given)}")


def _told(lead: Lead) -> str:
    return f"{lead.delta:+.4f} ({lead.lower:+.4f} to {lead.upper:+.4f})"
