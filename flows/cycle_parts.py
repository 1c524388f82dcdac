"""Every stage of one cycle as it came out, how they hang together, and the summary that is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prefect import runtime

from components.artifact import ArtifactRef
from components.evaluation.contenders import Contender, FittedArm, Incumbent, arms_to_train, line_up
from components.evaluation.verdict import Outcome
from components.recommender.baselines.counting import BASELINES
from components.recommender.names import CONTENT_ARMS, PREFERENCE_ARMS
from components.registry.tracking import TrackingRun
from components.report.subject import Subject
from components.tokenizer.names import BASELINE, DEFAULT, TokenizerName
from flows.carried import CarriedIds, carried_into, name_to_fit, refuse_ids_of_another
from flows.features import Features
from flows.ingest import CheckedBatch, LandedBatch
from flows.item_content import encoders_space
from flows.release import Promoted, RegisteredChallenger
from flows.replay import Replayed
from flows.replay_window import ReplayWindow
from flows.request import BadRequest, CycleRequest
from flows.semantic_ids import ColdIds, IdentifiedItems
from flows.settings import load_settings
from flows.settled import SettledCycle
from flows.snapshots import Snapshots
from flows.stages import StageResult
from flows.summary import ChallengerBeside, CycleSummary, arm_figures, stage_figures
from flows.tokenizer_health import TokenizerHealth
from flows.training import BundledChallenger, CountedArms, TrainedArm
from flows.warm_start import Beginning


@dataclass(frozen=True, kw_only=True)
class OpenedCycle:
    """What this cycle is compared with, and carries on."""

    champion: Incumbent | None
    carried: CarriedIds | None  # None: the tokenizer is fitted
    previous: CarriedIds | None  # the IDs before, with which those of a refit are compared
    tokenizer_name: TokenizerName = DEFAULT  # of the one that is carried on, or fitted

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
    begun: StageResult[Beginning] | None  # where training begins, if a warm start was asked for
    trained: tuple[StageResult[TrainedArm], ...]
    counted: StageResult[CountedArms]
    bundled: Mapping[str, StageResult[BundledChallenger]]  # by challenger
    replayed: Replayed
    beside: Mapping[str, StageResult[RegisteredChallenger]]  # by challenger, those that do not go on
    registered: StageResult[RegisteredChallenger]  # the one that goes on
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
            *([self.begun] if self.begun else []), *self.trained, self.counted,
            *self.bundled.values(), *self.replayed.stages, self.registered, *self.beside.values(),
            self.promoted,
        )  # fmt: skip


def opened_with(cycle: SettledCycle, champion: Incumbent | None) -> OpenedCycle:
    """What the cycle carries on of the one before; one that refits its tokenizer carries no IDs on.

    Raises BadRequest where IDs are to be kept and to be made by another tokenizer.
    """
    refuse_ids_of_another(cycle)
    previous = carried_into(cycle)
    name = name_to_fit(cycle.request.tokenizer_name, previous)
    is_another = previous is not None and previous.name != name
    return OpenedCycle(
        champion=champion,
        carried=None if cycle.request.tokenizer == "refit" or is_another else previous,
        previous=previous,
        tokenizer_name=name,
    )


def asks_for_health(cycle: SettledCycle, carried: CarriedIds | None) -> bool:
    """Whether the tokenizer's health decides: not where there is none, nor where it stays anyhow."""
    return carried is not None and cycle.request.tokenizer == "auto"


def reads_content(request: CycleRequest, champion: Incumbent | None) -> bool:
    """Whether an arm in the replay is told of cold items by what they are."""
    return any(arm in CONTENT_ARMS for arm in (*request.challengers, *([champion.arm] if champion else [])))


def window_of(
    cycle: SettledCycle, snapshots: Snapshots, ids: IdentifiedItems, cold: ColdIds, champion: Incumbent | None
) -> ReplayWindow:
    """The replay window; with the second pass only if the champion can be told of cold items too."""
    request, cut = cycle.request, cycle.train_cutoff
    is_fair = champion is None or champion.shares_tokenizer(ids.tokenizer.digest, cut)
    if is_fair and champion is not None and champion.content_space:
        is_fair = champion.shares_encoders(encoders_space(ids.encoders), cut)
    return ReplayWindow(
        snapshots=snapshots, profile=request.gate_profile, mode=request.mode, filter_seen=request.filter_seen,
        event_weights=request.event_weights, cold_ids=cold.ids if is_fair else None,
    )  # fmt: skip


def contenders_of(
    cycle: SettledCycle,
    trained: Mapping[str, TrainedArm],
    counted: CountedArms,
    bundled: Mapping[str, BundledChallenger],
    champion: Incumbent | None,
    ids: IdentifiedItems,
) -> tuple[Contender, ...]:
    """Everyone who is asked for lists on the window, in an order that reading from the journal does not change."""
    fitted = {name: FittedArm(artifact=done.arm, reads_ids=done.reads_ids) for name, done in trained.items()}
    return line_up(
        bundles={name: done.bundle for name, done in bundled.items()}, trained=fitted,
        baselines={name: counted.arms[name] for name in BASELINES},
        champion=champion, tokenizer=ids.tokenizer.digest, cut=cycle.train_cutoff,
        has_share=bool(cycle.request.new_items),
    )  # fmt: skip


def keeps_types(cycle: SettledCycle, champion: Incumbent | None) -> bool:
    """Whether training rows tell event types apart: some weigh differently, or an arm has an objective for each."""
    trained = arms_to_train(cycle.request.challengers, champion, cycle.train_cutoff)
    return cycle.request.weighs_types or any(arm in PREFERENCE_ARMS for arm in trained)


def subject_of(
    request: CycleRequest, opened: OpenedCycle, health: StageResult[TokenizerHealth] | None,
    beginning: Beginning | None, ids: IdentifiedItems,
) -> Subject:  # fmt: skip
    """What the report says beyond its evidence: data set, champion's version, why tokenizer and weights are theirs."""
    return Subject(
        data=Path(request.source).name,
        # which of several challengers goes on is not known yet; their versions are tagged with preset and preference
        challenger="" if request.more_challengers else _made_by(request),
        champion=opened.champion.told if opened.champion else "",
        ids=tokenizer_note(request.tokenizer, opened, health.output if health else None),
        baseline=ids.fitted if opened.tokenizer_name == BASELINE else "",
        start=_start_note(beginning),
    )


def _made_by(request: CycleRequest) -> str:
    """What the name of a challenger that is alone does not say of it."""
    tuned = f"by tuned preset {request.tuned['digest'][:12]}" if request.tuned else ""
    aimed = f"aims at {request.preference}" if request.preference else ""
    return ", ".join(filter(None, (tuned, aimed)))


def _start_note(beginning: Beginning | None) -> str:
    """Where training began; of several challengers of which one."""
    if beginning is None:
        return ""
    return f"{beginning.arm}: {beginning.told}" if beginning.arm else beginning.told


def refuse_other_settings(cycle: SettledCycle, champion: Incumbent | None) -> None:
    """Raise BadRequest where a champion that has seen the window would be refitted with other settings than its own.

    What is refitted at the cut is the arm by name, with the request's preset.
    """
    if champion is None or not champion.has_seen(cycle.train_cutoff):
        return
    request, other = cycle.request, ""
    if champion.tuned or request.settings_of(champion.arm):
        other = "tuned settings make"
    elif request.new_item_share(champion.arm):
        other = "a share for new items makes"
    elif champion.preference != request.preference_of(champion.arm):
        other = "another preference makes"
    if other:
        raise BadRequest(
            f"the champion, version {champion.version}, learned until {champion.train_end:%Y-%m-%dT%H:%MZ}, past the "
            f"cut, so it would be refitted, and {other} its {champion.arm} another one. Pass a "
            "--train-cutoff of that moment or later, or leave it out"
        )


def start_of(beginning: Beginning | None, arm: str, request: CycleRequest) -> ArtifactRef | None:
    """The bundle at whose weights this arm begins; the champion's holds one challenger's alone."""
    return beginning.of(arm).champion if beginning and arm in request.challengers else None


def tokenizer_note(asked: str, opened: OpenedCycle, health: TokenizerHealth | None) -> str:
    """Why the tokenizer is the one before, or a new one, and which where it is not the default: for box and report."""
    which = "" if opened.tokenizer_name == DEFAULT else f" as {opened.tokenizer_name}"
    which += ", a baseline whatever its health" if opened.tokenizer_name == BASELINE else ""
    if opened.previous is None:
        return f"fitted{which}: there was none before"
    if opened.carried is None:
        return f"refitted{which}, as asked"
    if health is None:
        return f"kept{which}, as asked"
    # by words of the note alone: what is only planned may not know yet which it is
    return health.note.replace("to be refitted", f"refitted{which}", 1).replace("kept;", f"kept{which};", 1)


def _beside(parts: CycleParts) -> Iterator[ChallengerBeside]:
    """The challengers that do not go on: what the gate said of each, and as which version it is kept."""
    found = parts.replayed.challengers
    passed_too = f"passed too, with a smaller lead than {found.lead}"
    for one in found.together:
        if registered := parts.beside.get(one.challenger):
            yield ChallengerBeside(
                arm=one.challenger, version=registered.output.version, verdict=str(one.outcome),
                reason=passed_too if one.outcome is Outcome.PROMOTE else one.reason,
            )  # fmt: skip


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
        mapping=cycle.request.mapping,
        event_weights=cycle.request.event_weights,
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
        start_note=_start_note(parts.begun.output if parts.begun else None),
        arms=tuple(arm_figures(evidence, parts.beside)),
        beside=tuple(_beside(parts)),
        new_items_note=evidence.new_items.told if evidence.new_items else (),
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
