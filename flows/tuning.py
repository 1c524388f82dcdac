"""Search over an arm's settings, judged on the window before the cut of the next retraining.

The search spends a budget that is stated before: so many trials, so many minutes by the clock, whichever comes first.
The best of many trials flatters itself, so it is held against the preset again with fresh seeds before it is
recommended; the replay of the retraining that takes it up is the judge. A study that was killed goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from prefect import flow
from prefect.artifacts import create_table_artifact
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from components.artifact import digest_of
from components.data import journal
from components.recommender.arm_config import shipped_settings
from components.recommender.names import SOLVED_ARMS
from components.recommender.search_space import decode_settings, space_of
from components.tuning.budget import Budget
from components.tuning.record import Found, Lead, Objective, Spent
from components.tuning.study import Study, Tried, best_of
from flows.local.console import console, dimmed
from flows.request import BadRequest, CycleRequest
from flows.searching import Searching
from flows.settings import load_settings
from flows.stage_code import code_of
from flows.tracked_tuning import track_study
from flows.trials import METRIC, Trials
from flows.tuning_window import TuningData, next_cycle, tuning_data, validation_start
from flows.warehouse import warehouse

FOLDER = "tuning"  # in the home
CONFIRMATIONS = 2  # fresh seeds


class StudyHeld(Exception):
    """Another process searches the same study."""


class TuneRequest(BaseModel):
    """How long to search, and what the arm is retrained on: the options of a retraining."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cycle: CycleRequest = Field(
        default_factory=lambda: CycleRequest(preset="default"),
        description="the retraining to come: its challenger is tuned, and the search begins at its preset",
    )
    trials: int = Field(default=20, ge=1, description="at most, the shipped preset the first of them")
    minutes: float = Field(
        default=30.0, gt=0, description="by the clock, at most, the confirmation within them"
    )
    validate_from: AwareDatetime | None = Field(
        default=None,
        description="the validation window is from here to the cut; none: as long as the replay window behind the cut",
    )


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What was found, and where it lies."""

    found: Found
    file: Path
    digest: str  # of the file: the versions that are trained with it name it
    mlflow: str  # address of the run; "" where it could not be made


@flow(name="tune", flow_run_name="tune {request.cycle.challenger} on {request.cycle.called}")
def tune(request: TuneRequest) -> Tuned:
    """Search, confirm, and write what was found as a preset file. Trains nothing that is registered, moves nothing.

    Raises BadRequest, StudyHeld if another process is at the same study.
    """
    asked = request.cycle
    if asked.tuned:
        raise BadRequest(
            "a study begins at a shipped preset: pass --preset default, accurate, or quick for a first look"
        )
    if asked.more_challengers:
        raise BadRequest(f"a study is of one arm, here {asked.challenger}: leave out more_challengers")
    if asked.preference:
        raise BadRequest("a study has all event types alike: leave the preference out")
    cycle, cut = next_cycle(asked)
    start = validation_start(cycle, cut, request.validate_from)
    data = tuning_data(cycle, cut, start)
    seeds = 0 if asked.challenger in SOLVED_ARMS else CONFIRMATIONS
    budget = Budget(trials=request.trials, seconds=60 * request.minutes, confirmations=seeds)
    space = space_of(asked.challenger, asked.preset)
    digest = _digest(cycle.request, data)
    folder = load_settings().home / FOLDER / digest[:16]
    decode = decode_settings(space)
    trials = Trials(folder=folder, data=data, arm=asked.challenger, preset=asked.preset, decode=decode)
    shipped = shipped_settings(asked.challenger, asked.preset, space, data.rows.item_lists)
    _say_budget(request, data, space)
    with _alone(folder):
        study = Study(folder / "study.db", space, shipped, decode=decode, seed=asked.seed)
        if study.tried:
            dimmed(f"  going on with study {digest[:8]}: {len(study.tried)} trials are over")
        searching = Searching(study=study, trials=trials, budget=budget, seed=asked.seed)
        stopped = searching.search()
        confirmed = searching.confirm()
        found = _found(request, data, digest, searching, stopped, confirmed)
    return _kept(found, folder)


def _digest(request: CycleRequest, data: TuningData) -> str:
    """Of all that the trials depend on: the same is the same study, gone on with or told again."""
    settings = load_settings()
    return digest_of(
        {
            "arm": request.challenger, "preset": request.preset, "seed": request.seed,
            "event_weights": request.event_weights, **data.window.asking, **data.parents,
            "space": {name: str(range_) for name, range_ in space_of(request.challenger, request.preset).items()},
            "threads": settings.threads, "device": settings.device, "precision": settings.precision,
            "compile": settings.compile, "code": code_of("flows.searching", "Searching").digest,
            "data_code": code_of("flows.tuning_window", "tuning_data").digest,
        }
    )  # fmt: skip


def _found(
    request: TuneRequest, data: TuningData, digest: str, searching: Searching, stopped: str,
    confirmed: Lead | None,
) -> Found:  # fmt: skip
    plan, tried = data.window.plan(), searching.study.tried
    searched = searching.searched()
    recommended, why = _advice(
        searched, confirmed, can_confirm=searching.budget.confirmations > 0, diverged=searching.diverged
    )
    return Found(
        arm=request.cycle.challenger,
        preset=request.cycle.preset,
        study=digest,
        data=plan.digest,
        seed=request.cycle.seed,
        objective=Objective(
            metric=METRIC, validate_from=plan.cut.isoformat(), cut=plan.window_end.isoformat(),
            users=len(plan.users), requests=len(plan),
        ),
        budget=Spent(
            max_trials=request.trials, max_minutes=request.minutes, seconds=searching.spent,
            cpu_seconds=searching.cpu_spent, stopped=stopped,
        ),
        trials=tried,
        best=best_of(tried).number,
        searched=searched,
        confirmed=confirmed,
        recommended=recommended,
        why=why,
    )  # fmt: skip


def _advice(
    searched: Lead | None, confirmed: Lead | None, *, can_confirm: bool, diverged: str = ""
) -> tuple[bool, str]:
    """Whether to retrain with what was found, and why."""
    if searched is None:
        return False, "no trial was better than the shipped preset on the validation window"
    if diverged:
        return False, f"the best trial cannot be relied on: {diverged}"
    if can_confirm and confirmed is None:
        return (
            False,
            "the best trial was not confirmed: the budget ended first. Run it again with more --minutes",
        )
    told, how = (
        (confirmed, "with fresh seeds") if confirmed else (searched, "by its one model: it has no seed")
    )
    assert told is not None
    if told.lower > 0:
        return True, f"it is better than the preset on the validation window, {how}"
    return False, f"its lead over the preset is not told apart from none, {how}"


def _kept(found: Found, folder: Path) -> Tuned:
    """The preset file, and the study in MLflow and Prefect."""
    file = folder.parent / f"{found.arm}-{found.study[:8]}.json"
    digest = found.write(file)
    create_table_artifact(key="trials", table=_rows(found.trials), description="Every trial of the study")
    return Tuned(found=found, file=file, digest=digest, mlflow=track_study(found, file, digest))


def _rows(trials: Sequence[Tried]) -> list[dict[str, Any]]:
    return [
        {"trial": one.number + 1, "kind": one.kind, METRIC: one.value, "CPU s": round(one.cpu_seconds, 1)}
        | one.settings
        for one in trials
    ]


def _say_budget(request: TuneRequest, data: TuningData, space: Any) -> None:
    arm, snapshots = request.cycle.challenger, data.window.snapshots
    past = journal.past_costs(warehouse()).get(f"train {arm}")
    cost = (
        f"a training took {past.seconds:.0f} s here before (median)"
        if past
        else "what a trial costs is not known yet"
    )
    console.print(
        f"tune {arm}: train before {snapshots.cut:%Y-%m-%d %H:%M}Z ({snapshots.train_events:,} events), validate until "
        f"{snapshots.end:%Y-%m-%d %H:%M}Z ({snapshots.window_events:,} events); nothing later is looked at\n"
        f"budget: {request.trials} trials or {request.minutes:g} minutes by the clock, whichever comes first; {cost}\n"
        f"settings: {', '.join(space)}",
        markup=False,
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "study.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise StudyHeld(
            f"{folder}: another process searches this study. Wait until it is done, or end it; the study then goes on"
        ) from error
    try:
        yield
    finally:
        lock.release()
