"""Counterfactual replay: logged feedback read, the target policy judged from it, evidence and report published."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from components.artifact import ArtifactRef, digest_of, publish, verified
from components.data.logged import LoggedRows
from components.evaluation.counterfactual import profile as logged_profiles
from components.evaluation.counterfactual.evaluation import LoggedResult, evaluate_logged
from components.evaluation.counterfactual.logged import feedback_from_rows
from components.evaluation.report.logged import render_logged_report
from flows.logged_source import logs_at, read_log
from flows.replay import shown_page
from flows.settings import LOOPBACK, load_settings
from flows.stages import Outcome, run_once
from flows.tracked_replay import track_replay

LOGGED_PROFILES = {"small": logged_profiles.small, "production": logged_profiles.production}


@dataclass(frozen=True, kw_only=True)
class LoggedRef:
    """A log as published: rows.parquet and, where the target policy is known, policy.parquet."""

    artifact: dict[str, str]
    source: str
    logging_policy: str
    target_policy: str


@dataclass(frozen=True, kw_only=True)
class JudgedLog:
    """What there is to tell of one log."""

    source: str
    evidence: dict[str, Any]
    report: Path
    mlflow: str  # address of the run; "" where it could not be made


@flow(name="logged-replay", flow_run_name="logged-replay-{path.stem}")
def logged_replay(path: Path, target_policy: Path | None, profile: str) -> tuple[JudgedLog, ...]:
    """Judge every log at `path`: a file, or a folder of the Open Bandit sample."""
    found = []
    for log in logs_at(path):
        judged = judge_logged(load_logged(log, target_policy), profile).output
        evidence = evidence_of(judged)
        tracked = track_replay(
            judged["replay"],
            name=f"{judged['source']}: {judged['verdict']}",
            verdict=judged["verdict"],
            metrics={estimate["name"]: estimate["value"] for estimate in evidence["estimates"]},
        )
        found.append(
            JudgedLog(
                source=judged["source"],
                evidence=evidence,
                report=logged_report_page(judged),
                mlflow=tracked,
            )
        )
    return tuple(found)


@task(task_run_name="load-{path.stem}")
def load_logged(path: Path, target_policy: Path | None = None) -> LoggedRef:
    """The log's rows out of whatever file they lie in, published under their digest."""
    logged = read_log(path, target_policy)
    ref = publish(
        load_settings().artifacts,
        "logged",
        lambda folder: _write_rows(folder, logged),
        parents={},
        config={"source": logged.source},
    )
    return LoggedRef(
        artifact=ref.to_dict(),
        source=logged.source,
        logging_policy=logged.logging_policy,
        target_policy=logged.target_policy,
    )


@task(task_run_name="judge-{log.source}")
def judge_logged(log: LoggedRef, profile: str) -> Outcome:
    """Estimate, diagnose, decide; publish evidence, estimates, and the report."""
    rules = LOGGED_PROFILES[profile]()
    config = {
        "source": log.source, "logging": log.logging_policy, "target": log.target_policy, "gate": rules.hash,
    }  # fmt: skip

    def work() -> dict[str, Any]:
        feedback = feedback_from_rows(*_read_rows(ArtifactRef(**log.artifact)))
        result = evaluate_logged(
            feedback, rules, logging_policy=log.logging_policy, target_policy=log.target_policy
        )
        page = render_logged_report(result, feedback.weight, log.source)
        published = publish(
            load_settings().artifacts,
            "logged-replay",
            lambda folder: _write_result(folder, result, page),
            parents={"log": log.artifact["digest"]},
            config=config,
        )
        outcome = str(result.verdict.outcome)
        return {
            "replay": published.to_dict(),
            "source": log.source,
            "verdict": outcome,
            "note": f"{outcome}: {len(feedback):,} rounds worth {result.support.ess:,.0f}",
        }

    outcome = run_once(
        f"judge {log.source}",
        run=digest_of(["logged", log.artifact["digest"], rules.hash]),
        inputs={"log": log.artifact["digest"]},
        config=config,
        rooms=("evaluation",),
        work=work,
    )
    show_in_prefect(outcome.output)
    return outcome


def evidence_of(judged: dict[str, Any]) -> dict[str, Any]:
    """The published evidence of one judged log."""
    evidence: dict[str, Any] = json.loads((Path(judged["replay"]["path"]) / "evidence.json").read_text())
    return evidence


def logged_report_page(judged: dict[str, Any]) -> Path:
    """The report among the pages that `recloop ui` shows."""
    name = f"{judged['source']}-{judged['verdict'].lower()}-{judged['replay']['digest'][:8]}.html"
    return shown_page(Path(judged["replay"]["path"]) / "report.html", name)


def show_in_prefect(judged: dict[str, Any]) -> None:
    """Verdict, estimates and a link to the report, as artifacts of the run."""
    evidence = evidence_of(judged)
    reasons = "\n".join(f"- {reason}" for reason in evidence["verdict"]["reasons"])
    about = f"{evidence['target_policy']} from the log of {evidence['logging_policy']} ({judged['source']})"
    create_markdown_artifact(key="logged-verdict", markdown=f"# {judged['verdict']}: {about}\n\n{reasons}")
    shown = ("name", "value", "lower", "upper", "delta", "delta_lower", "delta_upper", "note")
    create_table_artifact(
        key="logged-estimates",
        table=[{name: estimate[name] for name in shown} for estimate in evidence["estimates"]],
    )
    link = f"http://{LOOPBACK}:{load_settings().docs_port}/reports/{logged_report_page(judged).name}"
    create_link_artifact(key="logged-report", link=link, link_text="counterfactual report (`recloop ui`)")


def _write_rows(folder: Path, logged: LoggedRows) -> None:
    logged.rows.to_parquet(folder / "rows.parquet", index=False)
    if logged.policy is not None:
        logged.policy.to_parquet(folder / "policy.parquet", index=False)


def _read_rows(ref: ArtifactRef) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    verified(ref.path)
    policy = Path(ref.path) / "policy.parquet"
    return pd.read_parquet(Path(ref.path) / "rows.parquet"), (
        pd.read_parquet(policy) if policy.exists() else None
    )


def _write_result(folder: Path, result: LoggedResult, page: str) -> None:
    (folder / "evidence.json").write_text(json.dumps(result.to_dict(), indent=1, sort_keys=True))
    result.table().to_csv(folder / "estimates.csv", index=False)
    (folder / "report.html").write_text(page)
