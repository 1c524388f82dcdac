"""A cycle's run in MLflow: what it was asked, read, made and cost, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prefect import task

from components.artifact import ArtifactRef, verified
from components.registry import run_facts, tracking
from components.registry.energy import joules_between, read_energy
from flows.local.console import warning_line
from flows.local.meter import Meter
from flows.outages import TRIED_AGAIN
from flows.request import SettledCycle
from flows.settings import load_settings
from flows.snapshots import Snapshots


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
    name = f"until {cycle.as_of:%Y-%m-%d}"
    run = tracking.open_run(experiment=settings.model_name, cycle=cycle.id, name=name, tags={})
    asked = cycle.request.model_dump(mode="json")
    tracking.log_facts(run, params={name: str(value) for name, value in asked.items()})
    run_facts.describe_run(
        run, source="recloop retraining-cycle", description=f"Started by {settings.actor}."
    )
    return run


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
