"""Release: the evaluated bundle becomes a version with its verdict, and only PROMOTE makes it champion."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from components.artifact import digest_of
from components.registry import promotion, tracking, versions
from components.registry.bundle import open_bundle
from components.registry.registration import register_bundle
from flows.settings import load_settings
from flows.stages import Outcome, run_once
from flows.state import warehouse

_ROOT = Path(__file__).resolve().parents[1]


@task
def register(
    run: str, tracked: tracking.TrackingRun, bundle: dict[str, str], judged: dict[str, Any]
) -> Outcome:
    """Log and register the bundle that was replayed, once, tagged with every id and the verdict."""
    settings = load_settings()

    def work() -> dict[str, Any]:
        folder = Path(judged["replay"]["path"])
        evidence = json.loads((folder / "evidence.json").read_text())
        means = {a["metric"]: a["mean"] for a in evidence["arms"] if a["arm"] == evidence["challenger"]}
        figures = evidence["list_figures"][evidence["challenger"]]
        registered = register_bundle(
            open_bundle(bundle["path"]),
            run=tracked,
            model_name=settings.model_name,
            verdict=judged["verdict"],
            metrics={name: value for name, value in (means | figures).items() if value is not None},
            tags={
                "recloop.replay": judged["replay"]["digest"],
                "recloop.gate": evidence["gate_hash"],
                "recloop.window": evidence["data_digest"],
                "recloop.commit": _commit(),
            },
            reports=[folder / "report.html", folder / "evidence.json", folder / "arms.csv"],
        )
        return {"version": registered.version, "note": f"version {registered.version}, {judged['verdict']}"}

    outcome = run_once(
        "register",
        run=run,
        inputs={"bundle": bundle["digest"], "replay": judged["replay"]["digest"], "registry": _registry()},
        config={},
        rooms=("registry",),
        work=work,
    )
    link = (
        f"{settings.mlflow_tracking_uri}/#/models/{settings.model_name}/versions/{outcome.output['version']}"
    )
    create_link_artifact(key="model-version", link=link, link_text="the version in MLflow")
    return outcome


@task
def promote(run: str, registered: dict[str, Any], judged: dict[str, Any], champion: str | None) -> Outcome:
    """Move `champion` if the verdict is PROMOTE and the champion is still the one that was compared with."""

    def work() -> dict[str, Any]:
        if judged["verdict"] != promotion.PROMOTE:
            reason = f"{judged['verdict']}: the champion stays"
            return {"moved": False, "champion": champion, "reason": reason, "note": reason}
        result = promotion.promote(
            warehouse(),
            model_name=load_settings().model_name,
            version=registered["version"],
            expected_champion=champion,
            verdict=judged["verdict"],
            actor="retraining-cycle",
            reason=judged["note"],
            evidence={"replay": judged["replay"]["digest"]},
        )
        return {
            "moved": result.moved,
            "champion": result.champion,
            "reason": result.reason,
            "note": result.reason,
        }

    return run_once(
        "promote",
        run=run,
        inputs={"version": registered["version"], "replay": judged["replay"]["digest"], "champion": champion,
                "registry": _registry()},
        config={},
        rooms=("registry",),
        work=work,
    )  # fmt: skip


@flow(name="apply-approvals")
def apply_approvals() -> str:
    """Promote the newest version that a reviewer has approved in MLflow's UI."""
    tracking.configure(load_settings().mlflow_tracking_uri)
    result = promotion.apply_approvals(warehouse(), model_name=load_settings().model_name)
    told = result.reason if result else "no approval is pending"
    create_markdown_artifact(key="approvals", markdown=told)
    return told


def open_tracking(run: str, name: str) -> tracking.TrackingRun:
    """This cycle's run in MLflow, made or found."""
    settings = load_settings()
    tracking.configure(settings.mlflow_tracking_uri)
    return tracking.open_run(experiment=settings.model_name, cycle=run, name=name, tags={})


def champion_now() -> dict[str, str] | None:
    """Version and bundle of the champion, fetched to this machine; None while there is none."""
    settings = load_settings()
    tracking.configure(settings.mlflow_tracking_uri)
    promotion.reconcile(warehouse(), settings.model_name)
    found = versions.champion(settings.model_name)
    if found is None:
        return None
    bundle = versions.download_bundle(settings.model_name, found.version, settings.artifacts)
    return {"version": found.version, **bundle.to_dict()}


def _registry() -> str:
    """Which registry this is: the same journal may be run against another one."""
    settings = load_settings()
    return digest_of([settings.mlflow_tracking_uri, settings.model_name])


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
