"""Replay: the same requests to every arm, then evidence, gate, and report.

Latency is measured here, beside the verdict: it depends on the machine.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from components.artifact import ArtifactRef, publish, verified
from components.data import snapshot
from components.evaluation import gate, latency, report
from components.evaluation.plan import ReplayPlan, plan_replay
from components.evaluation.replay import ReplayResult, evaluate
from components.recommender.arm import Arm, Histories
from flows.console import progress_bar
from flows.settings import LOOPBACK, load_settings
from flows.stages import Outcome, run_once

_LATENCY_BATCHES = 60


@dataclass(frozen=True, kw_only=True)
class Contender:
    """An arm as it will be asked: the published artifact that holds it, and until when it learned."""

    name: str  # as it stands in tables: mmgrec, champion, sasrec, popularity, …
    arm: dict[str, str]  # ArtifactRef of a folder that `load_arm` reads
    folder: str  # of the arm within the artifact
    train_end: str  # ISO 8601 UTC, exclusive
    digest: str  # of the artefact that would be promoted


PROFILES = {"small": gate.small, "production": gate.production}


@flow(name="replay", flow_run_name="replay-{challenger}")
def replay(
    run: str,
    train: dict[str, str],
    window: dict[str, str],
    contenders: list[Contender],
    challenger: str,
    champion: str | None,
    profile: str,
) -> tuple[Outcome, ...]:
    """Ask every contender for its lists, then judge. Returns the outcome of each stage, judgement last."""
    ranked = [rank(run, train, window, contender, profile) for contender in contenders]
    lists = {outcome.output["arm"]: outcome.output["lists"] for outcome in ranked}
    judged = judge(run, train, window, contenders, lists, challenger, champion, profile)
    return (*ranked, judged)


@task(task_run_name="rank-{contender.name}")
def rank(
    run: str, train: dict[str, str], window: dict[str, str], contender: Contender, profile: str
) -> Outcome:
    """The arm's list for every request of the window."""

    def work() -> dict[str, Any]:
        plan = replay_plan(train, window)
        with progress_bar(f"rank {contender.name}"):
            lists = _lists(load_contender(contender), plan, PROFILES[profile]().list_length)
        ref = publish(
            load_settings().artifacts,
            "lists",
            lambda folder: np.save(folder / "lists.npy", lists, allow_pickle=False),
            parents={"arm": contender.arm["digest"], "train": train["digest"], "window": window["digest"]},
            config={"arm": contender.name},
        )
        return {"arm": contender.name, "lists": ref.to_dict(), "note": f"{len(plan):,} lists"}

    return run_once(
        f"rank {contender.name}",
        run=run,
        inputs={"arm": contender.arm["digest"], "train": train["digest"], "window": window["digest"]},
        config={"profile": profile},
        rooms=("recommender", "evaluation"),
        work=work,
    )


@task(task_run_name="judge-{challenger}")
def judge(
    run: str,
    train: dict[str, str],
    window: dict[str, str],
    contenders: list[Contender],
    lists: Mapping[str, dict[str, str]],
    challenger: str,
    champion: str | None,
    profile: str,
) -> Outcome:
    """Score, compare, pass the gate; publish evidence, per-user table, and the report."""

    def work() -> dict[str, Any]:
        plan = replay_plan(train, window)
        arms = {contender.name: load_contender(contender) for contender in contenders}
        found = {}
        for name, ref in lists.items():
            verified(ref["path"])
            found[name] = np.load(Path(ref["path"]) / "lists.npy", allow_pickle=False)
        result = evaluate(
            plan,
            found,
            challenger=challenger,
            champion=champion,
            profile=PROFILES[profile](),
            train_ends={c.name: datetime.fromisoformat(c.train_end) for c in contenders},
            digests={c.name: c.digest for c in contenders},
            latency=_latency(arms, plan, [a for a in (challenger, champion) if a]),
        )
        items = snapshot.read_items(ArtifactRef(**window))
        titles = dict(zip(items["item_id"], items["title"].fillna(""), strict=True))
        page = report.render_report(result, plan, found, titles)
        published = publish(
            load_settings().artifacts,
            "replay",
            lambda folder: _write_replay(folder, result, page),
            parents={name: ref["digest"] for name, ref in lists.items()},
            config={"challenger": challenger, "champion": champion, "profile": profile},
        )
        return {
            "replay": published.to_dict(),
            "verdict": str(result.outcome),
            "note": f"{result.outcome}: {result.reasons[0]}",
        }

    outcome = run_once(
        "judge",
        run=run,
        inputs={
            "lists": {name: ref["digest"] for name, ref in lists.items()},
            "artefacts": {c.name: c.digest for c in contenders},
            "train_ends": {c.name: c.train_end for c in contenders},
        },
        config={"challenger": challenger, "champion": champion, "profile": profile},
        rooms=("evaluation",),
        work=work,
    )
    show_in_prefect(outcome.output["replay"])
    return outcome


def replay_plan(train: dict[str, str], window: dict[str, str]) -> ReplayPlan:
    """The requests of a window, from the two snapshots on either side of the cut."""
    train_ref, window_ref = ArtifactRef(**train), ArtifactRef(**window)
    facts = snapshot.snapshot_facts(window_ref)
    assert facts.start is not None
    return plan_replay(
        snapshot.read_events(train_ref),
        snapshot.read_events(window_ref),
        snapshot.read_items(train_ref),
        cut=facts.start,
        end=facts.end,
    )


def load_contender(contender: Contender) -> Arm:
    """The arm out of its published folder, every byte checked."""
    from components.recommender.loading import load_arm

    verified(contender.arm["path"])
    return load_arm(Path(contender.arm["path"]) / contender.folder)


def _lists(arm: Arm, plan: ReplayPlan, k: int) -> np.ndarray:
    return arm.recommend(
        _histories(plan, slice(None)), k=k, candidates=plan.candidates, exclude_seen=plan.filter_seen
    ).items


def _histories(plan: ReplayPlan, requests: slice) -> Histories:
    return Histories(
        catalogue=plan.catalogue,
        items=plan.items,
        times=plan.times,
        start=plan.start[requests],
        end=plan.end[requests],
    )


def _latency(arms: Mapping[str, Arm], plan: ReplayPlan, names: list[str]) -> dict[str, latency.Latency]:
    def asked(arm: Arm) -> Any:
        return lambda requests: arm.recommend(
            _histories(plan, requests), k=10, candidates=plan.candidates, exclude_seen=plan.filter_seen
        )

    return latency.measure_latency(
        {name: asked(arms[name]) for name in names}, num_requests=len(plan), batches=_LATENCY_BATCHES
    )


def _write_replay(folder: Path, result: ReplayResult, page: str) -> None:
    (folder / "evidence.json").write_text(json.dumps(result.to_dict(), indent=1, sort_keys=True))
    result.metrics_table().to_csv(folder / "arms.csv", index=False)
    (folder / "report.html").write_text(page)


def show_in_prefect(replayed: dict[str, str]) -> None:
    """The verdict and the arms as artifacts of the run, with a link to the report."""
    settings = load_settings()
    evidence = json.loads((Path(replayed["path"]) / "evidence.json").read_text())
    outcome, reasons = evidence["measured"]["outcome"], evidence["measured"]["reasons"]
    create_markdown_artifact(
        key="verdict", markdown=f"# {outcome}\n\n" + "\n".join(f"- {reason}" for reason in reasons)
    )
    means = [arm for arm in evidence["arms"] if arm["metric"] == "ndcg@10"]
    create_table_artifact(
        key="arms",
        table=[
            {"arm": a["arm"], "NDCG@10": a["mean"], "lower": a["lower"], "upper": a["upper"]} for a in means
        ],
    )
    link = f"http://{LOOPBACK}:{settings.docs_port}/reports/{report_page(replayed).name}"
    create_link_artifact(key="replay-report", link=link, link_text="replay report (under `recloop ui`)")


def report_page(replayed: dict[str, str]) -> Path:
    """The report among the pages that `recloop ui` shows, copied there if it is not yet."""
    published = Path(replayed["path"])
    evidence = json.loads((published / "evidence.json").read_text())
    until, outcome = evidence["plan"]["window_end"][:10], evidence["measured"]["outcome"].lower()
    name = f"{until}-{evidence['challenger']}-{outcome}-{replayed['digest'][:8]}.html"
    return shown_page(published / "report.html", name)


def shown_page(report: Path, name: str) -> Path:
    """A published report among the pages that `recloop ui` shows, under `name`; copied there if it is not yet."""
    page = load_settings().reports / name
    if not page.exists():
        page.parent.mkdir(parents=True, exist_ok=True)
        aside = page.with_suffix(".part")
        shutil.copyfile(report, aside)
        aside.replace(page)
    return page
