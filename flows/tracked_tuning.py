"""A study in MLflow: one run, its leads as metrics, the preset file as an artifact. An outage is said, no more."""

from __future__ import annotations

from pathlib import Path

from components.registry import run_facts, tracking
from components.registry.registered import TrackingRefused, TrackingUnreachable
from components.tuning.record import Found
from flows.local.console import warning_line
from flows.settings import load_settings


def track_study(found: Found, file: Path, digest: str) -> str:
    """Write the study to its run; the run's address, "" where MLflow cannot be reached."""
    settings = load_settings()
    tracking.configure(settings.mlflow_tracking_uri)
    try:
        run = tracking.open_run(
            experiment=f"{settings.model_name}-tuning", cycle=found.study,
            name=f"{found.arm} before {found.objective.cut[:10]}", tags={"recloop.tuned_preset": digest},
        )  # fmt: skip
        run_facts.log_params(
            run, "study",
            {"arm": found.arm, "preset": found.preset, "seed": found.seed, "data": found.data,
             "validate_from": found.objective.validate_from, "cut": found.objective.cut},
        )  # fmt: skip
        run_facts.log_params(run, "settings", found.settings)
        tracking.log_facts(run, metrics=_figures(found))
        tracking.log_files(run, [file], folder="preset")
        run_facts.describe_run(
            run, source="recloop tune", user=settings.actor,
            description=f"{len(found.trials)} trials of {found.arm}, each in preset/{file.name}. {found.why}.",
        )  # fmt: skip
        tracking.end_run(run, "FINISHED")
    except (TrackingUnreachable, TrackingRefused) as error:
        warning_line(f"MLflow does not know the study: {error}")
        return ""
    return run.url


def _figures(found: Found) -> dict[str, float]:
    preset, best = found.trials[0].value, found.trials[found.best].value
    told = {"tuning/preset": preset, "tuning/best": best, "tuning/trials": float(len(found.trials))}
    for name, lead in (("searched", found.searched), ("confirmed", found.confirmed)):
        if lead:
            told |= {f"tuning/{name} lead": lead.delta, f"tuning/{name} lead low": lead.lower}
            told[f"tuning/{name} lead high"] = lead.upper
    return {name: value for name, value in told.items() if value is not None}
