"""What a cycle leaves to be told: kept with the cycle in the warehouse, drawn as a box at the end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from flows.settings import load_settings

if TYPE_CHECKING:
    from components.data.cycles import Cycle
    from components.evaluation.evidence import ReplayEvidence
    from flows.stages import StageResult


@dataclass(frozen=True, kw_only=True)
class ArmFigure:
    """One arm on the window: macro mean over users, and the paired difference to the challenger's rival."""

    arm: str
    role: str  # challenger | champion | baseline | also challenger: of several the one that goes on is challenger
    ndcg: float
    ndcg_low: float
    ndcg_high: float
    hit_rate: float
    challenger_lead: float | None  # challenger minus this arm, NDCG@10; None for the challenger itself
    lead_low: float | None
    lead_high: float | None


@dataclass(frozen=True, kw_only=True)
class ChallengerBeside:
    """One of several challengers of a cycle that did not go on."""

    arm: str
    version: str
    verdict: str
    reason: str  # the first; of one that passed too, that

    @property
    def told(self) -> str:
        return f"{self.arm} {self.verdict}, version {self.version}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class StageFigure:
    """What one stage cost."""

    stage: str
    seconds: float
    peak_mb: float
    reused: bool
    computes: bool  # encodes, trains or replays; the others are work of the engines


@dataclass(frozen=True, kw_only=True)
class CycleSummary:
    """JSON values only: it is kept in the warehouse."""

    cycle_id: str
    source: str
    as_of: str
    train_cutoff: str
    received: int
    accepted: int
    quarantined: int
    duplicates: int
    quarantine_reasons: dict[str, int]
    train_events: int
    window_users: int
    window_requests: int
    verdict: str
    reasons: tuple[str, ...]
    version: str
    champion_before: str | None
    champion_after: str | None
    tokenizer: str  # digest
    tokenizer_reused: bool
    new_ids: int
    arms: tuple[ArmFigure, ...]
    stages: tuple[StageFigure, ...]
    seconds: float
    addresses: dict[str, str]  # what -> where to look
    ids_note: str = ""  # health of a fitted tokenizer, or what was added to IDs that stay
    tokenizer_note: str = ""  # why the tokenizer is the one before, or a new one
    mapping: str = ""  # of the source, as `--map` says it
    event_weights: str = ""  # of event types, where they do not weigh alike
    start_note: str = ""  # where training began, if a warm start was asked for
    beside: tuple[ChallengerBeside, ...] = ()  # the challengers that did not go on, where there were several
    new_items_note: tuple[str, ...] = ()  # what a share for new items brought and cost, if one was asked for

    @property
    def challenger(self) -> ArmFigure:
        return next(arm for arm in self.arms if arm.role == "challenger")

    @property
    def engine_seconds(self) -> float:
        """All that is not encoding, training or replay."""
        return self.seconds - sum(stage.seconds for stage in self.stages if stage.computes)

    def links(self) -> dict[str, str]:
        """What → address for a browser, while `recloop ui` serves the pages of this home."""
        settings = load_settings()
        served = tuple(settings.page_folders.values())
        return {
            what: where if "://" in where else settings.page_url(Path(where))
            for what, where in self.addresses.items()
            if "://" in where or any(Path(where).is_relative_to(folder) for folder in served)
        }

    def all_reused(self) -> CycleSummary:
        """The same story when nothing had to be done again."""
        stages = tuple(replace(stage, seconds=0.0, reused=True) for stage in self.stages)
        return replace(self, stages=stages, seconds=0.0)


def told_of(cycle: Cycle) -> CycleSummary:
    """What a cycle on record left to be told; the rest of its record is `flows.record`'s, which loads much more."""
    return TypeAdapter(CycleSummary).validate_python(cycle.summary["told"])


def stage_figures(stages: Sequence[StageResult]) -> tuple[StageFigure, ...]:
    """What each stage cost, in the order in which they ran."""
    return tuple(
        StageFigure(
            stage=done.stage, seconds=done.seconds, peak_mb=done.peak_mb, reused=done.reused,
            computes=done.computes,
        )
        for done in stages
    )  # fmt: skip


def arm_figures(evidence: ReplayEvidence, beside: Collection[str] = ()) -> Iterator[ArmFigure]:
    """Every arm of a replay's evidence, challenger first; `beside` names those that challenged in the same cycle."""
    for arm in evidence.arm_names:
        ndcg, lead = evidence.mean(arm, "ndcg@10"), evidence.lead_over(arm, "ndcg@10")
        yield ArmFigure(
            arm=arm,
            role="also challenger" if arm in beside else evidence.role_of(arm),
            ndcg=ndcg.mean,
            ndcg_low=ndcg.lower,
            ndcg_high=ndcg.upper,
            hit_rate=evidence.mean(arm, "hr@10").mean,
            challenger_lead=lead.delta if lead else None,
            lead_low=lead.lower if lead else None,
            lead_high=lead.upper if lead else None,
        )
