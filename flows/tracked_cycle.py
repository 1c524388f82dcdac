"""A cycle's run in MLflow: what it was asked, read, made and cost, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prefect import task

from components.artifact import ArtifactRef, verified
from components.registry import run_facts, tracking
from components.registry.energy import joules_between, read_energy
from components.registry.lineage import DIRTY
from flows.checkout import commit_now
from flows.local.console import warning_line
from flows.local.meter import Meter
from flows.outages import TRIED_AGAIN
from flows.settings import load_settings
from flows.settled import SettledCycle
from flows.snapshots import Snapshots
from flows.stages import say_in_prefect
from flows.summary import CycleSummary


@contextmanager
def tracked_cycle(cycle: SettledCycle) -> Iterator[tracking.TrackingRun]:
    """This cycle's run in MLflow, made or found, with the request as parameters; it ends as the block ends."""
    run = begin_run(cycle)
    energy = read_energy()
    try:
        with Meter() as meter:
            yield run
    except BaseException:
        _end(run, "FAILED")
        raise
    _keep_cost(run, meter, joules_between(energy, read_energy()))
    _end(run, "FINISHED")


@task(task_run_name="begin-mlflow-run", **TRIED_AGAIN)
def begin_run(cycle: SettledCycle) -> tracking.TrackingRun:
    """Make or find the run, and tell it what was asked. Raises TrackingUnreachable."""
    settings = load_settings()
    tracking.configure(settings.mlflow_tracking_uri)
    name = f"{Path(cycle.request.source).name} until {cycle.as_of:%Y-%m-%d}"
    run = tracking.open_run(experiment=settings.model_name, cycle=cycle.id, name=name, tags={})
    asked = cycle.request.model_dump(mode="json")
    tracking.log_facts(run, params={name: str(value) for name, value in asked.items()})
    run_facts.describe_run(
        run,
        source="recloop retrain",
        description=f"{_asked(cycle)}, started by {settings.actor}. What comes of it will stand here.",
        user=settings.actor,
        commit=commit_now().removesuffix(DIRTY),
    )
    say_in_prefect(f"{name}: {run.url or run.run_id}")
    return run


def _asked(cycle: SettledCycle) -> str:
    return (
        f"{cycle.request.challenged_by} on {Path(cycle.request.source).name}, trained before "
        f"{cycle.train_cutoff:%Y-%m-%d %H:%M}Z, replayed until {cycle.as_of:%Y-%m-%d %H:%M}Z"
    )


def conclude(run: tracking.TrackingRun, cycle: SettledCycle, told: CycleSummary) -> None:
    """Let the run's page begin with verdict, reasons and where to look; an outage of MLflow costs nothing else."""
    name = f"{Path(told.source).name} until {cycle.as_of:%Y-%m-%d}: {told.verdict}, version {told.version}"
    links = " · ".join(f"[{what}]({where})" for what, where in told.links().items() if what != "MLflow run")
    lines = [
        f"**{told.verdict}**: version {told.version}. {_asked(cycle)}, started by {load_settings().actor}.",
        links,  # MLflow folds a description after a few lines
        "\n".join(f"- {reason}" for reason in told.reasons),
        *(["\n".join(f"- also challenged: {one.told}" for one in told.beside)] if told.beside else []),
        "The links open while `recloop ui` runs on the machine of the cycle; the report is among the artifacts too, as "
        "`reports/report.html`.",
    ]
    with _said_if_away("what came of the cycle"):
        run_facts.conclude_run(run, name=name, description="\n\n".join(lines))


def _keep_cost(run: tracking.TrackingRun, meter: Meter, joules: float | None) -> None:
    cost = run_facts.cost_of(
        seconds=meter.seconds,
        peak_mb=meter.peak_mb,
        energy_joules=joules,
        rate_per_hour=load_settings().cost_per_hour,
    )
    with _said_if_away("what the cycle cost"):
        run_facts.log_cost(run, cost)


def track_snapshots(tracked: tracking.TrackingRun, source: str, snapshots: Snapshots) -> None:
    """Tie both snapshots to the run as data sets; an outage of MLflow is said and costs nothing else."""
    parts = (
        ("training", snapshots.train, snapshots.train_events),
        ("evaluation", snapshots.window, snapshots.window_events),
    )
    with _said_if_away("which data the cycle read"):
        for context, ref, num_events in parts:
            run_facts.log_dataset(
                tracked, name=Path(source).name, digest=ref.digest, path=ref.path, context=context,
                profile={"num_events": num_events},
            )  # fmt: skip


def track_artifacts(tracked: tracking.TrackingRun, made: Mapping[str, ArtifactRef]) -> None:
    """Write what each stage was configured with, as its artifact says, as parameters of the run."""
    with _said_if_away("how the stages were configured"):
        for stage, ref in made.items():
            run_facts.log_params(tracked, stage, {**verified(ref.path)["config"], "digest": ref.digest})


def _end(run: tracking.TrackingRun, status: tracking.EndStatus) -> None:
    with _said_if_away(f"that the cycle is {status.lower()}"):
        tracking.end_run(run, status)


@contextmanager
def _said_if_away(what: str) -> Iterator[None]:
    """An outage of MLflow in the block is said and costs nothing else."""
    try:
        yield
    except tracking.TrackingUnreachable as error:
        warning_line(f"MLflow does not know {what}: {error}")
