"""Judging: the arms' lists are scored, compared and put before the gate; the evidence is published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from prefect import task

from components.artifact import ArtifactRef, publish
from components.data import snapshot
from components.evaluation import latency
from components.evaluation.alpha_spending import Attempt
from components.evaluation.beyond import categories_of
from components.evaluation.contenders import Contender
from components.evaluation.evidence import ReplayEvidence, read_evidence, write_evidence
from components.evaluation.replay import evaluate
from components.evaluation.result import ReplayResult
from components.evaluation.trial import ArmLists, Trial
from components.evaluation.typed_json import to_json
from components.recommender.arm import Arm
from flows.ranking import COLD_LISTS, JOINED_LISTS, RankedLists, read_lists
from flows.replay_window import ReplayWindow, histories_of, load_contender
from flows.settings import load_settings
from flows.stages import StageResult, key_of, run_once

_LATENCY_BATCHES = 60
USERS = "users.parquet"  # of a published replay: one row a user and arm


@dataclass(frozen=True, kw_only=True)
class JudgedReplay:
    """The verdict, and the published evidence behind it."""

    replay: ArtifactRef
    challenger: str
    champion: str | None
    verdict: str
    reason: str  # the first
    attempt: Attempt | None  # which challenger of the window, at which alpha

    @property
    def note(self) -> str:
        return f"{self.verdict}: {self.reason}"


@task(task_run_name="judge-{challenger}")
def judge(
    run: str,
    window: ReplayWindow,
    contenders: tuple[Contender, ...],
    lists: tuple[RankedLists, ...],
    challenger: str,
    champion: str | None,
    attempt: Attempt | None,
    is_alone: bool = True,
) -> StageResult[JudgedReplay]:
    """Score, compare, pass the gate; publish the evidence and the table of arms.

    The stage of a challenger that is not alone in its cycle bears its name.
    """
    by_name = {contender.name: contender for contender in contenders}
    key = key_of(
        judge, "judge" if is_alone else f"judge {challenger}", run=run,
        reads={ranked.arm: ranked.lists for ranked in lists},
        facts={
            "contenders": [
                [c.name, c.artifact.digest, c.train_end.isoformat(), c.compared] for c in contenders
            ],
            "attempt": to_json(attempt) if attempt else None,
            "challenger": challenger, "champion": champion, **window.config,
        },
    )  # fmt: skip

    def work() -> JudgedReplay:
        measured = _latency(window, [by_name[arm] for arm in (challenger, champion) if arm])
        result = evaluated(window, contenders, lists, challenger, champion, attempt, measured)
        published = publish(
            load_settings().artifacts,
            "replay",
            lambda folder: _write_replay(folder, result),
            parents=key.parents,
            config={"challenger": challenger, "champion": champion, **window.config},
        )
        return JudgedReplay(
            replay=published, challenger=challenger, champion=champion,
            verdict=str(result.outcome), reason=result.reasons[0], attempt=attempt,
        )  # fmt: skip

    return run_once(key, JudgedReplay, work, computes=True)


@lru_cache(maxsize=8)
def evidence_of(replayed: ArtifactRef) -> ReplayEvidence:
    """The published evidence, read once in a process."""
    return read_evidence(Path(replayed.path))


@lru_cache(maxsize=1)
def evaluated(
    window: ReplayWindow,
    contenders: tuple[Contender, ...],
    lists: tuple[RankedLists, ...],
    challenger: str,
    champion: str | None,
    attempt: Attempt | None,
    measured: tuple[tuple[str, latency.Latency], ...],
) -> ReplayResult:
    """All that the lists show. The report, drawn right after the verdict, need not evaluate them again."""
    plan, cold = window.plan(), window.cold()
    speed = dict(measured)
    published = {ranked.arm: ranked.lists for ranked in lists}
    by_name = {contender.name: contender for contender in contenders}
    return evaluate(
        plan,
        [
            ArmLists(
                name=contender.name,
                lists=read_lists(published[contender.name]),
                train_end=contender.train_end,
                digest=contender.artifact.digest,
                latency=speed.get(contender.name),
                cold_lists=read_lists(published[contender.name], COLD_LISTS) if cold else None,
                joined_lists=read_lists(published[contender.name], JOINED_LISTS)
                if cold and contender.has_share
                else None,
            )
            for contender in contenders
        ],
        Trial(
            challenger=challenger,
            champion=champion,
            profile=window.profile,
            attempt=attempt,
            compared=by_name[champion].compared if champion else "registry artifact",
        ),
        categories=categories_of(snapshot.read_items(window.snapshots.window), plan.catalogue),
        cold=cold,
    )


def _latency(
    window: ReplayWindow, contenders: Sequence[Contender]
) -> tuple[tuple[str, latency.Latency], ...]:
    """How fast each arm answers one request after the other, measured in turns."""
    plan = window.plan()

    def asked(arm: Arm) -> Any:
        return lambda requests: arm.recommend(
            histories_of(plan, requests), k=10, candidates=plan.candidates, exclude_seen=plan.filter_seen
        )

    measured = latency.measure_latency(
        {contender.name: asked(load_contender(contender)) for contender in contenders},
        num_requests=len(plan),
        batches=_LATENCY_BATCHES,
    )
    return tuple(sorted(measured.items()))


def _write_replay(folder: Path, result: ReplayResult) -> None:
    write_evidence(result, folder)
    result.metrics_table().to_csv(folder / "arms.csv", index=False)
    result.scores.table().to_parquet(folder / USERS, index=False)
