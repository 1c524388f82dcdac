"""Counterfactual replay: logged feedback read, the target policy judged from it, evidence and report published."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from components.artifact import ArtifactRef, digest_of, publish, verified
from components.data.logged import LoggedRows
from components.evaluation.counterfactual import profile as logged_profiles
from components.evaluation.counterfactual.evaluation import LoggedResult, evaluate_logged
from components.evaluation.counterfactual.evidence import LoggedEvidence, read_evidence, write_evidence
from components.evaluation.counterfactual.logged import feedback_from_rows
from components.report import render_logged_report
from flows.local.site import show_page
from flows.logged_source import logs_at, read_log
from flows.settings import load_settings
from flows.stages import StageResult, key_of, run_once, say_in_prefect
from flows.tracked_replay import track_replay

LOGGED_PROFILES = {"small": logged_profiles.small, "production": logged_profiles.production}


@dataclass(frozen=True, kw_only=True)
class PublishedLog:
    """A log as published: rows.parquet and, where the target policy is known, policy.parquet."""

    artifact: ArtifactRef
    source: str
    logging_policy: str
    target_policy: str


@dataclass(frozen=True, kw_only=True)
class JudgedLog:
    """The verdict on one log; the artifact holds evidence, estimates and the report."""

    replay: ArtifactRef
    source: str
    verdict: str
    rounds: int
    effective_rounds: float

    @property
    def note(self) -> str:
        return f"{self.verdict}: {self.rounds:,} rounds worth {self.effective_rounds:,.0f}"


@dataclass(frozen=True, kw_only=True)
class ToldLog:
    """What there is to tell of one log."""

    source: str
    evidence: LoggedEvidence
    report: Path
    mlflow: str  # address of the run; "" where it could not be made


@flow(name="logged-replay", flow_run_name="logged-replay-{path.stem}")
def logged_replay(path: Path, target_policy: Path | None, profile: str) -> tuple[ToldLog, ...]:
    """Judge every log at `path`: a file, or a folder of the Open Bandit sample."""
    return tuple(
        _told(judge_logged(load_logged(log, target_policy), profile).output) for log in logs_at(path)
    )


@task(task_run_name="load-{path.stem}")
def load_logged(path: Path, target_policy: Path | None = None) -> PublishedLog:
    """The log's rows out of whatever file they lie in, published under their digest."""
    logged = read_log(path, target_policy)
    ref = publish(
        load_settings().artifacts,
        "logged",
        lambda folder: _write_rows(folder, logged),
        parents={},
        config={"source": logged.source},
    )
    return PublishedLog(
        artifact=ref,
        source=logged.source,
        logging_policy=logged.logging_policy,
        target_policy=logged.target_policy,
    )


@task(task_run_name="judge-{log.source}")
def judge_logged(log: PublishedLog, profile: str) -> StageResult[JudgedLog]:
    """Estimate, diagnose, decide; publish evidence, estimates, and the report."""
    rules = LOGGED_PROFILES[profile]()
    config = {
        "source": log.source, "logging": log.logging_policy, "target": log.target_policy, "gate": rules.hash,
    }  # fmt: skip
    run = digest_of(["logged", log.artifact.digest, rules.hash])
    key = key_of(judge_logged, f"judge {log.source}", run=run, reads={"log": log.artifact}, facts=config)

    def work() -> JudgedLog:
        feedback = feedback_from_rows(*_read_rows(log.artifact))
        result = evaluate_logged(
            feedback, rules, logging_policy=log.logging_policy, target_policy=log.target_policy
        )
        page = render_logged_report(result, feedback.weight, log.source)
        published = publish(
            load_settings().artifacts,
            "logged-replay",
            lambda folder: _write_result(folder, result, page),
            parents=key.parents,
            config=config,
        )
        return JudgedLog(
            replay=published, source=log.source, verdict=str(result.verdict.outcome),
            rounds=len(feedback), effective_rounds=result.support.ess,
        )  # fmt: skip

    judged = run_once(key, JudgedLog, work, computes=True)
    show_in_prefect(judged.output)
    return judged


def logged_report_page(judged: JudgedLog) -> Path:
    """The report among the pages that `recloop ui` shows."""
    name = f"{judged.source}-{judged.verdict.lower()}-{judged.replay.digest[:8]}.html"
    return show_page(load_settings().reports, Path(judged.replay.path) / "report.html", name)


def show_in_prefect(judged: JudgedLog) -> None:
    """Verdict, estimates and a link to the report, in the log and as artifacts of the run."""
    evidence = read_evidence(Path(judged.replay.path))
    reasons = [f"- {reason}" for reason in evidence.verdict.reasons]
    about = f"{evidence.target_policy} from the log of {evidence.logging_policy} ({judged.source})"
    say_in_prefect("\n".join([f"verdict: {judged.verdict}, {about}", *reasons]))
    create_markdown_artifact(
        key="logged-verdict", markdown=f"# {judged.verdict}: {about}\n\n" + "\n".join(reasons),
        description="What the log can tell of the target policy, and why",
    )  # fmt: skip
    create_table_artifact(
        key="logged-estimates",
        table=[
            {
                "estimator": e.name, "value": e.value, "lower": e.lower, "upper": e.upper, "minus the log": e.delta,
                "its lower": e.delta_lower, "its upper": e.delta_upper, "note": e.note,
            }
            for e in evidence.estimates
        ],
        description="Value a round of the target policy, by each estimator",
    )  # fmt: skip
    link = load_settings().page_url(logged_report_page(judged))
    create_link_artifact(
        key="logged-report", link=link, link_text="counterfactual report (`recloop ui`)",
        description="Estimates, diagnostics and checks as a page",
    )  # fmt: skip


def _told(judged: JudgedLog) -> ToldLog:
    evidence = read_evidence(Path(judged.replay.path))
    tracked = track_replay(
        judged.replay,
        judged.replay,
        name=f"{judged.source}: {judged.verdict}",
        verdict=judged.verdict,
        metrics={estimate.name: estimate.value for estimate in evidence.estimates},
    )
    page = logged_report_page(judged)
    return ToldLog(source=judged.source, evidence=evidence, report=page, mlflow=tracked)


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
    write_evidence(result, folder)
    result.table().to_csv(folder / "estimates.csv", index=False)
    (folder / "report.html").write_text(page, encoding="utf-8")
