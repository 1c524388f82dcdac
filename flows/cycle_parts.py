"""Every stage of one cycle as it came out, and the summary that is told of them."""

from __future__ import annotations

from dataclasses import dataclass

from prefect import runtime

from components.artifact import ArtifactRef
from components.evaluation.contenders import Incumbent
from components.registry.tracking import TrackingRun
from flows.features import Features
from flows.ingest import CheckedBatch, LandedBatch
from flows.record import CarriedIds
from flows.release import Promoted, RegisteredChallenger
from flows.replay import Replayed
from flows.request import SettledCycle
from flows.semantic_ids import ColdIds, IdentifiedItems
from flows.settings import load_settings
from flows.snapshots import Snapshots
from flows.stages import StageResult
from flows.summary import CycleSummary, arm_figures, stage_figures
from flows.tokenizer_health import TokenizerHealth
from flows.training import BundledChallenger, CountedArms, TrainedArm


@dataclass(frozen=True, kw_only=True)
class OpenedCycle:
    """What this cycle is compared with, and carries on."""

    champion: Incumbent | None
    carried: CarriedIds | None  # None: the tokenizer is fitted
    previous_ids: ArtifactRef | None  # the ID table before, which a refit is held against

    @property
    def note(self) -> str:
        return f"against version {self.champion.version}" if self.champion else "no champion yet"


@dataclass(frozen=True, kw_only=True)
class CycleParts:
    """All stages of a finished cycle, in the order in which they ran."""

    checked: StageResult[CheckedBatch]
    landed: StageResult[LandedBatch]
    opened: StageResult[OpenedCycle]
    snapshots: StageResult[Snapshots]
    health: StageResult[TokenizerHealth] | None  # of the tokenizer that was there, on new items
    prepared: Features
    identified: StageResult[IdentifiedItems]
    cold: StageResult[ColdIds]
    trained: tuple[StageResult[TrainedArm], ...]
    counted: StageResult[CountedArms]
    bundled: StageResult[BundledChallenger]
    replayed: Replayed
    registered: StageResult[RegisteredChallenger]
    promoted: StageResult[Promoted]

    @property
    def tokenizer_stays(self) -> bool:
        """Whether every ID that there was before is as it was."""
        return self.opened.output.carried is not None and not (self.health and self.health.output.unhealthy)

    @property
    def stages(self) -> tuple[StageResult, ...]:
        return (
            self.checked, self.landed, self.opened, self.snapshots,
            *([self.health] if self.health else []), *self.prepared.stages, self.identified, self.cold,
            *self.trained, self.counted, self.bundled, *self.replayed.stages, self.registered, self.promoted,
        )  # fmt: skip


def tokenizer_note(asked: str, opened: OpenedCycle, health: TokenizerHealth | None) -> str:
    """Why the tokenizer is the one before, or a new one: one line for box and report."""
    if opened.previous_ids is None:
        return "fitted: there was none before"
    if opened.carried is None:
        return "refitted, as asked"
    if health is None:
        return "kept, as asked"
    return health.note.replace("to be refitted", "refitted", 1)


def summarise(
    cycle: SettledCycle, parts: CycleParts, tracked: TrackingRun, *, seconds: float
) -> CycleSummary:
    """What a person is told of the cycle, and where to look."""
    settings = load_settings()
    landed, ids, evidence = parts.landed.output, parts.identified.output, parts.replayed.evidence
    champion, version = parts.opened.output.champion, parts.registered.output.version
    return CycleSummary(
        cycle_id=cycle.id,
        source=cycle.request.source,
        as_of=cycle.as_of.isoformat(),
        train_cutoff=cycle.train_cutoff.isoformat(),
        received=landed.result.received,
        accepted=landed.result.accepted,
        quarantined=landed.result.quarantined,
        duplicates=landed.result.duplicates,
        quarantine_reasons=landed.reasons,
        train_events=parts.snapshots.output.train_events,
        window_users=evidence.plan.users,
        window_requests=evidence.plan.requests,
        verdict=str(evidence.measured.outcome),
        reasons=tuple(evidence.measured.reasons),
        version=version,
        champion_before=champion.version if champion else None,
        champion_after=parts.promoted.output.champion,
        tokenizer=ids.tokenizer.digest,
        tokenizer_reused=parts.tokenizer_stays,
        new_ids=ids.new_ids,
        ids_note=ids.note,
        tokenizer_note=tokenizer_note(
            cycle.request.tokenizer, parts.opened.output, parts.health.output if parts.health else None
        ),
        arms=tuple(arm_figures(evidence)),
        stages=stage_figures(parts.stages),
        seconds=seconds,
        addresses={
            "replay report": str(parts.replayed.page),
            "Prefect run": settings.flow_run_url(runtime.flow_run.id),
            "MLflow run": tracked.url,
            "MLflow version": settings.version_url(version),
            "Data Docs": parts.checked.output.data_docs,
        },
    )
