"""Release: the evaluated bundle becomes a version with its verdict, and only PROMOTE makes it champion."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd
from prefect import flow, runtime, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from components.artifact import ArtifactRef, digest_of
from components.evaluation.contenders import Incumbent
from components.evaluation.evidence import ReplayEvidence
from components.recommender.trained_files import CONTENT_SPACE
from components.recommender.weights import read_arm
from components.registry import promotion, run_facts, tracking, versions
from components.registry.bundle import open_bundle
from components.registry.card import Interval, Judgement
from components.registry.drift import finish_interrupted
from components.registry.metric_names import arm_metric, lead_metric
from components.registry.registration import register_bundle
from flows.approving import policy_now, smoke_test
from flows.checkout import commit_now
from flows.judging import USERS, JudgedReplay, evidence_of
from flows.local.console import warning_line
from flows.outages import TRIED_AGAIN
from flows.replay import Replayed
from flows.settings import load_settings
from flows.stages import StageResult, key_of, run_once, say_in_prefect
from flows.training import BundledChallenger
from flows.warehouse import warehouse


@dataclass(frozen=True, kw_only=True)
class RegisteredChallenger:
    version: str
    verdict: str

    @property
    def note(self) -> str:
        return f"version {self.version}, {self.verdict}"


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """What became of the challenger; `champion` is what serves now."""

    moved: bool
    champion: str | None
    reason: str

    @property
    def note(self) -> str:
        return self.reason


@task(task_run_name="register-version", **TRIED_AGAIN)
def register(
    run: str, tracked: tracking.TrackingRun, bundled: BundledChallenger, replayed: Replayed, start: str = ""
) -> StageResult[RegisteredChallenger]:
    """Log and register the bundle that was replayed, once, tagged with every id and the verdict.

    `start` says where training began; "": no warm start was asked for.
    """
    settings = load_settings()
    judged, report = replayed.judged.output, replayed.rendered.output.report
    key = key_of(
        register, "register", run=run,
        reads={"bundle": bundled.bundle, "replay": judged.replay},
        facts={"registry": _registry(), **({} if isinstance(start, str) and not start else {"start": start})},
    )  # fmt: skip

    def work() -> RegisteredChallenger:
        evidence, folder = evidence_of(judged.replay), Path(judged.replay.path)
        registered = register_bundle(
            open_bundle(bundled.bundle.path),
            run=tracked,
            model_name=settings.model_name,
            verdict=judged.verdict,
            metrics=evidence.figures_of(judged.challenger),
            tags=_tags(judged, bundled, start),
            reports=[Path(report.path) / "report.html", folder / "evidence.json", folder / "arms.csv"],
            judgement=_judgement(evidence, replayed.page),
            started_by=settings.actor,
        )
        tracking.log_facts(tracked, metrics=_beside_others(evidence))
        run_facts.log_params(tracked, "gate", evidence.profile)
        run_facts.log_user_metrics(tracked, _without_names(pd.read_parquet(folder / USERS)), name="replay")
        return RegisteredChallenger(version=registered.version, verdict=judged.verdict)

    registered = run_once(key, RegisteredChallenger, work)
    create_link_artifact(
        key="model-version", link=settings.version_url(registered.output.version),
        link_text="the version in MLflow", description="Its card, its ids and its verdict",
    )  # fmt: skip
    return registered


@task(task_run_name="register-{challenger}", **TRIED_AGAIN)
def register_beside(
    run: str, tracked: tracking.TrackingRun, challenger: str, bundled: BundledChallenger, judged: JudgedReplay,
    page: Path, start: str = "",
) -> StageResult[RegisteredChallenger]:  # fmt: skip
    """Register a challenger that another one of its cycle stands before: a version with its own verdict and card.

    `page` is the cycle's one report. The run's metrics, tags and files, and `challenger`, are of the one that went on.
    """
    settings = load_settings()
    key = key_of(
        register_beside, f"register {challenger}", run=run,
        reads={"bundle": bundled.bundle, "replay": judged.replay},
        facts={"registry": _registry(), **({} if isinstance(start, str) and not start else {"start": start})},
    )  # fmt: skip

    def work() -> RegisteredChallenger:
        evidence = evidence_of(judged.replay)
        registered = register_bundle(
            open_bundle(bundled.bundle.path),
            run=tracked,
            model_name=settings.model_name,
            verdict=judged.verdict,
            metrics=evidence.figures_of(challenger),
            tags=_tags(judged, bundled, start),
            judgement=_judgement(evidence, page),
            started_by=settings.actor,
            is_beside=True,
        )
        return RegisteredChallenger(version=registered.version, verdict=judged.verdict)

    return run_once(key, RegisteredChallenger, work)


@task(task_run_name="promote-on-verdict", **TRIED_AGAIN)
def promote(
    run: str, registered: RegisteredChallenger, replayed: Replayed, champion: str | None
) -> StageResult[Promoted]:
    """Move `champion` if the verdict is PROMOTE and the champion is still the one that was compared with."""
    judged = replayed.judged.output
    key = key_of(
        promote, "promote", run=run,
        reads={"replay": judged.replay},
        facts={
            "version": registered.version, "champion": champion, "registry": _registry(),
            "policy": asdict(policy_now()),
        },
    )  # fmt: skip

    def work() -> Promoted:
        if judged.verdict != promotion.PROMOTE:
            return Promoted(moved=False, champion=champion, reason=f"{judged.verdict}: the champion stays")
        result = promotion.promote(
            warehouse(),
            model_name=load_settings().model_name,
            version=registered.version,
            expected_champion=champion,
            verdict=judged.verdict,
            actor="retraining-cycle",
            reason=judged.note,
            evidence={"replay": judged.replay.digest},
            policy=policy_now(),
            smoke=smoke_test(),
        )
        return Promoted(moved=result.moved, champion=result.champion, reason=result.reason)

    return run_once(key, Promoted, work)


@flow(name="approvals", flow_run_name="approvals")
def apply_approvals() -> str:
    """Promote the newest version that a reviewer has approved in MLflow's UI."""
    tracking.configure(load_settings().mlflow_tracking_uri)
    result = promotion.apply_approvals(
        warehouse(), model_name=load_settings().model_name, policy=policy_now(), smoke=smoke_test()
    )
    told = result.reason if result else "no approval is pending"
    say_in_prefect(told)
    create_markdown_artifact(
        key="approvals", markdown=told, description="What became of what a reviewer approved in MLflow"
    )
    return told


def champion_now() -> Incumbent | None:
    """The champion, its bundle fetched to this machine and checked; None while there is none."""
    settings = load_settings()
    tracking.configure(settings.mlflow_tracking_uri)
    drift = finish_interrupted(warehouse(), settings.model_name)
    if drift.state == "moved":
        warning_line(f"{drift.reason} Nothing is promoted until `recloop reconcile` settles it.")
    if drift.state == "broken":
        warning_line(f"{drift.reason} Nothing is promoted before.")
    found = versions.champion(settings.model_name)
    if found is None:
        return None
    bundle = versions.download_bundle(settings.model_name, found.version, settings.artifacts)
    return replace(incumbent(found.version, bundle), tuned="recloop.tuned_preset" in found.tags)


def incumbent(version: str, bundle: ArtifactRef) -> Incumbent:
    """A registered version as its bundle describes itself, every byte checked."""
    opened = open_bundle(bundle.path)
    facts, config = opened.facts, read_arm(opened.arm_path)[1]
    return Incumbent(
        version=version, bundle=bundle, arm=facts.arm,
        train_end=datetime.fromisoformat(facts.train_end), tokenizer=facts.tokenizer,
        preference=config.get("preference", ""), content_space=config.get(CONTENT_SPACE, ""),
    )  # fmt: skip


def _tags(judged: JudgedReplay, bundled: BundledChallenger, start: str) -> dict[str, str]:
    """Of a version, beside what its bundle says: by which evidence it was judged, and how it began."""
    evidence = evidence_of(judged.replay)
    preference = read_arm(open_bundle(bundled.bundle.path).arm_path)[1].get("preference")
    return {
        "recloop.replay": judged.replay.digest,
        "recloop.gate": evidence.gate_hash,
        "recloop.window": evidence.data_digest,
        "recloop.commit": commit_now(),
        "recloop.filter_seen": str(evidence.plan.filter_seen).lower(),  # how lists of it are served
        **({"recloop.tuned_preset": bundled.tuned} if bundled.tuned else {}),
        **({"recloop.preference": preference} if preference else {}),
        **({"recloop.start": start} if start else {}),
    }


def _without_names(users: pd.DataFrame) -> pd.DataFrame:
    """The same table with a digest in place of each user's id: MLflow is no place that erasure reaches."""
    return users.assign(user=[digest_of(str(user))[:12] for user in users["user"]])


def _beside_others(evidence: ReplayEvidence) -> dict[str, float]:
    """The primary metric of every arm, and the challenger's lead over each with its interval, as MLflow calls them."""
    primary, told = evidence.profile.primary.metric, {}
    for arm in evidence.arm_names:
        told[arm_metric(arm, primary)] = evidence.mean(arm, primary).mean
        if (lead := evidence.lead_over(arm, primary)) is not None:
            told[lead_metric(arm)] = lead.delta
            told |= {lead_metric(arm, "low"): lead.lower, lead_metric(arm, "high"): lead.upper}
    return {name: value for name, value in told.items() if math.isfinite(value)}


def _registry() -> str:
    """Which registry this is: the same journal may be run against another one."""
    settings = load_settings()
    return digest_of([settings.mlflow_tracking_uri, settings.model_name])


def _judgement(evidence: ReplayEvidence, page: Path) -> Judgement:
    """Reasons, the leads of the challenger on the primary metric, and where to look, for the version's card."""
    leads = [
        Interval(metric=lead.metric, against=lead.baseline, mean=lead.delta, low=lead.lower, high=lead.upper)
        for arm in evidence.arm_names
        if (lead := evidence.lead_over(arm, evidence.profile.primary.metric)) is not None
    ]
    settings = load_settings()
    links = {"replay report": settings.page_url(page)}
    if runtime.flow_run.id:
        links["Prefect run"] = settings.flow_run_url(runtime.flow_run.id)
    what = "Both open" if settings.prefect_is_local and len(links) > 1 else "The report opens"
    opened_by = (
        f"{what} while `recloop ui` runs on the machine of the cycle; the run's files hold the report too."
    )
    return Judgement(reasons=evidence.measured.reasons, intervals=leads, links=links, opened_by=opened_by)
