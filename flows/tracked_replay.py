"""A replay outside a cycle, in MLflow: a run of its own with verdict, figures, evidence and report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_link_artifact

from components.registry import tracking
from flows.console import warning_line
from flows.settings import load_settings
from flows.stages import run_once

_FILES = ("report.html", "evidence.json")


@task(task_run_name="track-{name}")
def track_replay(
    replay: Mapping[str, str], *, name: str, verdict: str, metrics: Mapping[str, float | None]
) -> str:
    """The address of the replay's run, which is made once; figures without a value are left out.

    The verdict does not hang on it: while MLflow does not answer, that is said and the address is empty.
    """
    settings = load_settings()
    experiment = f"{settings.model_name}-replays"

    def work() -> dict[str, Any]:
        tracking.configure(settings.mlflow_tracking_uri)
        tags = {"recloop.replay": replay["digest"], "recloop.verdict": verdict}
        run = tracking.open_run(experiment=experiment, cycle=replay["digest"], name=name, tags=tags)
        finite = {key: value for key, value in metrics.items() if value is not None and math.isfinite(value)}
        with tracking.active_run(run):
            tracking.log_facts(run, metrics=finite)
            tracking.log_files(run, [Path(replay["path"]) / file for file in _FILES], folder="replay")
        return {"url": run.url, "note": f"experiment {experiment}"}

    try:
        outcome = run_once(
            "track replay",
            run=replay["digest"],
            inputs={"replay": replay["digest"], "tracking": settings.mlflow_tracking_uri},
            config={"experiment": experiment},
            rooms=("registry",),
            work=work,
        )
    except tracking.TrackingUnreachable as error:
        warning_line(f"the replay is not in MLflow: {error}")
        return ""
    url = str(outcome.output["url"])
    if url:
        create_link_artifact(key="replay-run", link=url, link_text="the replay in MLflow")
    return url
