"""A replay outside a cycle, in MLflow: a run of its own with verdict, figures, evidence and report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.artifacts import create_link_artifact

from components.artifact import ArtifactRef
from components.registry import tracking
from flows.local.console import warning_line
from flows.settings import load_settings
from flows.stages import key_of, run_once


@dataclass(frozen=True, kw_only=True)
class TrackedReplay:
    url: str
    experiment: str

    @property
    def note(self) -> str:
        return f"experiment {self.experiment}"


@task(task_run_name="track-{name}")
def track_replay(
    replay: ArtifactRef,
    report: ArtifactRef,
    *,
    name: str,
    verdict: str,
    metrics: Mapping[str, float | None],
) -> str:
    """The address of the replay's run, which is made once; figures without a value are left out.

    The verdict does not hang on it: while MLflow does not answer, that is said and the address is empty.
    """
    settings = load_settings()
    experiment = f"{settings.model_name}-replays"
    key = key_of(
        track_replay, "track replay", run=replay.digest,
        reads={"replay": replay, "report": report},
        facts={"tracking": settings.mlflow_tracking_uri, "experiment": experiment},
    )  # fmt: skip

    def work() -> TrackedReplay:
        tracking.configure(settings.mlflow_tracking_uri)
        tags = {"recloop.replay": replay.digest, "recloop.verdict": verdict}
        run = tracking.open_run(experiment=experiment, cycle=replay.digest, name=name, tags=tags)
        finite = {key: value for key, value in metrics.items() if value is not None and math.isfinite(value)}
        files = [Path(report.path) / "report.html", Path(replay.path) / "evidence.json"]
        with tracking.active_run(run):
            tracking.log_facts(run, metrics=finite)
            tracking.log_files(run, files, folder="replay")
        return TrackedReplay(url=run.url, experiment=experiment)

    try:
        tracked = run_once(key, TrackedReplay, work)
    except tracking.TrackingUnreachable as error:
        warning_line(f"the replay is not in MLflow: {error}")
        return ""
    if tracked.output.url:
        create_link_artifact(
            key="replay-run", link=tracked.output.url, link_text="the replay in MLflow",
            description="Verdict, figures, evidence and report as a run",
        )  # fmt: skip
    return tracked.output.url
