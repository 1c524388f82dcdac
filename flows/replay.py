"""Replay: the same requests to every arm, then evidence, gate, and report.

Latency is measured here, beside the verdict: it depends on the machine. What is left of the window's alpha is
asked of the ledger before anything is judged, and is an input of the verdict like any other.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from components.artifact import ArtifactRef, publish
from components.data import alpha, snapshot
from components.evaluation import latency, report
from components.evaluation.beyond import categories_of
from components.evaluation.plan import Mode, ReplayPlan
from components.evaluation.replay import ReplayResult, evaluate
from components.evaluation.spending import Attempt
from components.recommender.arm import Arm
from flows.asking import (
    COLD_LISTS,
    PROFILES,
    Asked,
    Contender,
    histories_of,
    load_contender,
    rank,
    read_lists,
    tell_what_can_be_told,
)
from flows.settings import LOOPBACK, load_settings
from flows.source import item_images
from flows.stages import Outcome, run_once
from flows.state import warehouse
from flows.training import BASELINES

_LATENCY_BATCHES = 60


@flow(name="replay", flow_run_name="replay-{challenger}")
def replay(
    run: str,
    train: dict[str, str],
    window: dict[str, str],
    contenders: list[Contender],
    challenger: str,
    champion: str | None,
    profile: str,
    mode: Mode = "rolling",
    filter_seen: bool = True,
    cold_ids: dict[str, str] | None = None,
    source: str | None = None,
) -> tuple[Outcome, ...]:
    """Ask every contender for its lists, then judge. Returns the outcome of each stage, judgement last.

    The baselines come first: they show what the window and the profile can tell at all, and that is said
    before the others are asked. `source` is where the items' images lie, for the report; None leaves them out.
    """
    asked = Asked(
        train=train, window=window, profile=profile, mode=mode, filter_seen=filter_seen, cold_ids=cold_ids
    )
    baselines = [contender for contender in contenders if contender.name in BASELINES]
    ranked = [rank(run, asked, contender) for contender in baselines]
    tell_what_can_be_told(asked, {outcome.output["arm"]: outcome.output["lists"] for outcome in ranked})
    ranked += [rank(run, asked, contender) for contender in contenders if contender not in baselines]
    lists = {outcome.output["arm"]: outcome.output["lists"] for outcome in ranked}
    judged = judge(run, asked, contenders, lists, challenger, champion, source)
    return (*ranked, judged)


@task(task_run_name="judge-{challenger}")
def judge(
    run: str,
    asked: Asked,
    contenders: list[Contender],
    lists: Mapping[str, dict[str, str]],
    challenger: str,
    champion: str | None,
    source: str | None = None,
) -> Outcome:
    """Score, compare, pass the gate; publish evidence, per-user table, and the report."""
    by_name = {contender.name: contender for contender in contenders}
    profile = PROFILES[asked.profile]()
    spent = _spend(asked, by_name[challenger], by_name.get(champion or ""))
    attempt = Attempt(number=spent.attempt, alpha_one_sided=spent.alpha_one_sided) if spent else None
    config = {"challenger": challenger, "champion": champion, **asked.config}

    def work() -> dict[str, Any]:
        plan = asked.plan()
        cold = asked.cold(plan)
        arms = {contender.name: load_contender(contender) for contender in contenders}
        found = {name: read_lists(ref) for name, ref in lists.items()}
        items = snapshot.read_items(ArtifactRef(**asked.window))
        result = evaluate(
            plan,
            found,
            challenger=challenger,
            champion=champion,
            profile=profile,
            train_ends={c.name: datetime.fromisoformat(c.train_end) for c in contenders},
            digests={c.name: c.digest for c in contenders},
            latency=_latency(arms, plan, [a for a in (challenger, champion) if a]),
            attempt=attempt,
            compared=by_name[champion].compared if champion else "registry artefact",
            categories=categories_of(items, plan.catalogue),
            cold=cold,
            cold_lists={name: read_lists(ref, COLD_LISTS) for name, ref in lists.items()} if cold else None,
        )
        titles = dict(zip(items["item_id"], items["title"].fillna(""), strict=True))
        page = report.render_report(result, plan, found, titles, images=item_images(items, source))
        published = publish(
            load_settings().artifacts,
            "replay",
            lambda folder: _write_replay(folder, result, page),
            parents={name: ref["digest"] for name, ref in lists.items()},
            config=config,
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
            "compared": {c.name: c.compared for c in contenders},
            "attempt": asdict(attempt) if attempt else None,
        },
        config=config,
        rooms=("evaluation",),
        work=work,
    )
    if spent:
        verdict, replayed = outcome.output["verdict"], outcome.output["replay"]["digest"]
        alpha.record_verdict(warehouse(), spent, profile=profile.hash, verdict=verdict, replay=replayed)
    show_in_prefect(outcome.output["replay"])
    return outcome


def _spend(asked: Asked, challenger: Contender, champion: Contender | None) -> alpha.AlphaEntry | None:
    """What this challenger may use of the window's alpha; the champion's own artefact tries nothing."""
    if champion and champion.digest == challenger.digest:
        return None
    profile = PROFILES[asked.profile]()
    return alpha.spend_alpha(
        warehouse(),
        window=asked.window["digest"],
        challenger=challenger.digest,
        shares=profile.alpha_shares,
        profile=profile.hash,
    )


def _latency(arms: Mapping[str, Arm], plan: ReplayPlan, names: list[str]) -> dict[str, latency.Latency]:
    def asked(arm: Arm) -> Any:
        return lambda requests: arm.recommend(
            histories_of(plan, requests), k=10, candidates=plan.candidates, exclude_seen=plan.filter_seen
        )

    return latency.measure_latency(
        {name: asked(arms[name]) for name in names}, num_requests=len(plan), batches=_LATENCY_BATCHES
    )


def _write_replay(folder: Path, result: ReplayResult, page: str) -> None:
    (folder / "evidence.json").write_text(json.dumps(result.to_dict(), indent=1, sort_keys=True))
    result.metrics_table().to_csv(folder / "arms.csv", index=False)
    (folder / "report.html").write_text(page, encoding="utf-8")


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
