"""What a retraining would reuse, make and cost, found without doing any of it.

The stages are asked in the cycle's own order, each for the key that it would have. Who is champion is taken from the
ledger, since MLflow may not run. Nothing is written and no server is asked.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from components.artifact import present
from components.data import cycles, journal
from components.data.journal import PastCost
from components.data.ledger import current_champion
from components.evaluation.contenders import CHAMPION, Contender, Incumbent, arms_to_train
from components.recommender.baselines.counting import BASELINES
from components.recommender.names import SEMANTIC_ID_ARMS, ArmName
from components.registry.run_facts import Cost, cost_of
from components.registry.warm_start import WarmStart
from components.report.subject import Subject
from flows.asking import AskedStage, Asking, Undecided, Unknown
from flows.carried import CarriedIds
from flows.cycle import open_cycle
from flows.cycle_parts import (
    OpenedCycle,
    asks_for_health,
    contenders_of,
    keeps_types,
    opened_with,
    reads_content,
    start_of,
    subject_of,
    window_of,
)
from flows.features import (
    Features,
    TrainingRows,
    check_vectors,
    encode_items,
    read_training_rows,
    store_features,
)
from flows.ingest import check, land
from flows.judging import judge
from flows.measured_front import measure_front
from flows.ranking import RankedLists, rank
from flows.record import read_record
from flows.release import incumbent, promote, register, register_beside
from flows.replay import Replayed, preferring
from flows.replay_window import ReplayWindow
from flows.reporting import render
from flows.request import CycleRequest
from flows.semantic_ids import ColdIds, IdentifiedItems, extend_ids, fit_tokenizer, identify_cold
from flows.settings import load_settings
from flows.settled import SettledCycle, settle_cycle
from flows.several import judge_challengers
from flows.snapshots import Snapshots, take_snapshots
from flows.stages import StageResult
from flows.tokenizer_health import TokenizerHealth, check_tokenizer
from flows.training import (
    BundledChallenger,
    CountedArms,
    TrainedArm,
    bundle_challenger,
    count_popularity,
    train_arm,
)
from flows.warehouse import warehouse
from flows.warm_start import Beginning, beginning_of, choose_start
from flows.window_alpha import SharedAlpha, foreseen_alpha

_NO_RUN = cast(Any, None)  # a stage that is asked never comes to what it would log to MLflow


@dataclass(frozen=True, kw_only=True)
class CyclePlan:
    """What a retraining would do."""

    cycle: SettledCycle
    champion: str | None  # version, by the ledger
    stages: tuple[AskedStage, ...]  # in the order in which they run
    assumes: tuple[str, ...]  # what cannot be known before it is made
    past: Mapping[str, PastCost]  # stage → what it has cost in this home

    @property
    def to_run(self) -> tuple[AskedStage, ...]:
        return tuple(stage for stage in self.stages if stage.lot != "reused")

    @property
    def never_run(self) -> tuple[str, ...]:
        """Stages that are to run and whose cost nobody here knows."""
        return tuple(stage.stage for stage in self.to_run if stage.stage not in self.past)

    @property
    def cost(self) -> Cost:
        """Of the stages that are to run, as far as they have run before: median seconds, largest memory."""
        known = [self.past[stage.stage] for stage in self.to_run if stage.stage in self.past]
        return cost_of(
            seconds=sum(cost.seconds for cost in known),
            peak_mb=max((cost.peak_mb for cost in known), default=0.0),
            rate_per_hour=load_settings().cost_per_hour,
        )


def plan_cycle(request: CycleRequest) -> CyclePlan:
    """Ask every stage of the cycle. Raises what the retraining would raise before its first stage."""
    ask = Asking()
    with _untouched_warehouse():
        cycle = settle_cycle(request)
        champion = _champion_by_ledger(cycle)
        assumes = _ask_all(cycle, champion, ask)
        return CyclePlan(
            cycle=cycle,
            champion=champion.version if champion else None,
            stages=tuple(ask.told),
            assumes=assumes,
            past=journal.past_costs(warehouse()),
        )


def _ask_all(cycle: SettledCycle, champion: Incumbent | None, ask: Asking) -> tuple[str, ...]:
    """The stages in the cycle's order; what was assumed on the way."""
    run, request = cycle.id, cycle.request
    checked = ask(check, run, cycle.batch)
    landed = ask(land, run, checked.output)
    recorded = ask(open_cycle, cycle, checked.output)
    opened = recorded.output if recorded.reused else opened_with(cycle, champion)
    snapshots = ask(take_snapshots, run, cycle, landed.output).output
    health = _ask_health(cycle, snapshots, opened.carried, ask)
    carried, assumes = _carried(opened.carried, health)
    prepared = _ask_features(cycle, snapshots, carried, opened.champion, ask)
    identified = _ask_ids(cycle, snapshots, prepared, carried, opened, ask)
    cold = ask(
        identify_cold, run, request.source, snapshots, identified.carried, request.mapping,
        reads_content(request, opened.champion),
    ).output  # fmt: skip
    beginning = _ask_start(cycle, opened.champion, identified, snapshots, ask)
    arms = arms_to_train(request.challengers, opened.champion, cycle.train_cutoff)
    trained = {
        arm: _ask_arm(cycle, cast(ArmName, arm), prepared.rows.output, identified, beginning, ask)
        for arm in arms
    }
    counted = _counted(ask(count_popularity, run, snapshots, request.event_weights))
    bundled: dict[str, BundledChallenger] = {
        arm: ask(
            bundle_challenger, run, snapshots, prepared.encoded.output, identified, trained[arm], request.seed,
            _warm(beginning, arm),
        ).output
        for arm in request.challengers
    }  # fmt: skip
    contenders = contenders_of(cycle, trained, counted, bundled, opened.champion, identified)
    window = _window(cycle, snapshots, identified, cold, opened.champion)
    subject = subject_of(request, opened, health, beginning, identified)
    replayed = _ask_replay(cycle, window, contenders, opened.champion, subject, ask)
    lead = replayed.challengers.lead
    if request.more_challengers and not replayed.challengers.together:
        assumes += (f"none of them passes, and {lead} goes on; else some are judged again, and others may",)
    registered = ask(register, run, _NO_RUN, bundled[lead], replayed, _start(beginning, lead)).output
    for arm, one in replayed.challengers.beside.items():
        start = _start(beginning, arm)
        ask(register_beside, run, _NO_RUN, arm, bundled[arm], one.output, replayed.page, start)
    ask(promote, run, registered, replayed, opened.champion.version if opened.champion else None)
    return assumes


def _ask_health(
    cycle: SettledCycle, snapshots: Snapshots, carried: CarriedIds | None, ask: Asking
) -> StageResult[TokenizerHealth] | None:
    if carried is None or not asks_for_health(cycle, carried):
        return None
    return ask(
        check_tokenizer, cycle.id, cycle.request.source, snapshots.train, carried.encoders, carried.tokenizer,
        load_settings().monitor_limits, cycle.request.mapping,
    )  # fmt: skip


def _carried(
    carried: CarriedIds | None, health: StageResult[TokenizerHealth] | None
) -> tuple[CarriedIds | None, tuple[str, ...]]:
    """What is carried on; while the tokenizer's health is not known, it is taken to stay."""
    if health is None:
        return carried, ()
    if not health.reused:
        return carried, (
            "check tokenizer finds that it may stay; else fit tokenizer runs in place of extend ids",
        )
    return (None if health.output.unhealthy else carried), ()


def _ask_features(
    cycle: SettledCycle, snapshots: Snapshots, carried: CarriedIds | None, champion: Incumbent | None,
    ask: Asking,
) -> Features:  # fmt: skip
    run, request = cycle.id, cycle.request
    encoded = ask(
        encode_items, run, request.source, snapshots, carried.encoders if carried else None,
        request.vector_limits.max_duplicate_share, request.mapping,
    )  # fmt: skip
    return Features(
        encoded=encoded,
        checked=ask(check_vectors, run, encoded.output, request.vector_limits, ""),
        stored=ask(store_features, run, snapshots, encoded.output),
        rows=ask(read_training_rows, run, snapshots, encoded.output, _NO_RUN, keeps_types(cycle, champion)),
    )


def _ask_ids(
    cycle: SettledCycle, snapshots: Snapshots, prepared: Features, carried: CarriedIds | None,
    opened: OpenedCycle, ask: Asking,
) -> IdentifiedItems:  # fmt: skip
    rows, encoded, request = prepared.rows.output, prepared.encoded.output, cycle.request
    if carried is None:
        return ask(
            fit_tokenizer, cycle.id, snapshots, rows, encoded, opened.tokenizer_name, request.preset,
            request.seed, opened.previous,
        ).output  # fmt: skip
    extended = ask(extend_ids, cycle.id, rows, encoded, carried)
    if extended.reused:
        return extended.output
    unknown = extended.output  # the tokenizer and its encoders stay, whatever IDs come
    return IdentifiedItems(
        encoders=carried.encoders, tokenizer=carried.tokenizer, ids=unknown.ids, name=carried.name, new_ids=0,
        health={}, told=unknown.told, fitted=carried.fitted,
    )  # fmt: skip


def _ask_start(
    cycle: SettledCycle, champion: Incumbent | None, ids: IdentifiedItems, snapshots: Snapshots, ask: Asking
) -> Beginning | None:
    """Where training begins; what hangs on a champion or a tokenizer that is not here is told by nobody yet."""
    if not cycle.request.warm_start:
        return None
    try:
        beginning = beginning_of(cycle, champion, ids.tokenizer, ids.encoders, snapshots.train)
    except Undecided as undecided:
        unknown: Any = Unknown(undecided.stage)
        beginning = Beginning(told=unknown, champion=unknown, warm=unknown)
    ask(choose_start, cycle.id, lambda: beginning)
    return beginning


def _warm(beginning: Beginning | None, arm: str) -> WarmStart | None:
    """Of one challenger; None also where nobody tells yet."""
    warm = beginning.of(arm).warm if beginning is not None else None
    return None if isinstance(warm, Unknown) else warm


def _start(beginning: Beginning | None, arm: str) -> str:
    return beginning.of(arm).told if beginning is not None else ""


def _ask_arm(
    cycle: SettledCycle, arm: ArmName, rows: TrainingRows, ids: IdentifiedItems, beginning: Beginning | None,
    ask: Asking,
) -> TrainedArm:  # fmt: skip
    """The trained arm; of one that is to be trained, all but what the training gives."""
    request = cycle.request
    done = ask(
        train_arm, cycle.id, arm, rows, ids, request.preset, request.seed, _NO_RUN, request.event_weights,
        request.settings_of(arm), request.tuned_digest(arm), start_of(beginning, arm, request),
        request.new_item_share(arm), request.preference_of(arm),
    )  # fmt: skip
    if done.reused:
        return done.output
    reads_ids = arm in SEMANTIC_ID_ARMS
    return TrainedArm(
        name=arm, arm=cast(Any, done.output), reads_ids=reads_ids, code=done.code.digest,
        tuned=request.tuned_digest(arm),
    )  # fmt: skip


def _ask_replay(
    cycle: SettledCycle, window: ReplayWindow, contenders: tuple[Contender, ...],
    champion: Incumbent | None, subject: Subject, ask: Asking,
) -> Replayed:  # fmt: skip
    run, challengers = cycle.id, cycle.request.challengers
    rival = CHAMPION if champion else None
    in_turn = sorted(contenders, key=lambda contender: contender.name not in BASELINES)
    ranked = tuple(ask(rank, run, window, contender) for contender in in_turn)
    lists = tuple(
        done.output if done.reused else _to_come(done, contender)
        for done, contender in zip(ranked, in_turn, strict=True)
    )
    found = judge_challengers(
        challengers,
        _foreseen(window, contenders, challengers, rival),
        lambda challenger, attempt: ask(
            judge, run, window, contenders, lists, challenger, rival, attempt, is_alone=len(challengers) == 1
        ),
    )
    judged = found.judged[found.lead].output
    subject = replace(subject, together=found.together)
    fronts = {
        one.name: ask(measure_front, run, window, one, beside)
        for one, beside in preferring(contenders, challengers)
    }
    front = fronts[found.lead].output.front if found.lead in fronts else None
    rendered = ask(render, run, window, contenders, lists, judged, cycle.request.source, subject, front)
    return Replayed(
        ranked=ranked, rendered=rendered, page=Path(), challengers=found, fronts=tuple(fronts.values())
    )


def _to_come(done: StageResult[RankedLists], contender: Contender) -> RankedLists:
    """Lists that are not made yet, under the name that they will have."""
    return RankedLists(arm=contender.name, lists=cast(Any, done.output), num_lists=0)


def _foreseen(
    window: ReplayWindow, contenders: tuple[Contender, ...], challengers: tuple[str, ...],
    champion: str | None,
) -> SharedAlpha:  # fmt: skip
    """The challengers' place in the window's ledger; with one that is not made, nobody's lists are all there."""
    try:
        return foreseen_alpha(window, contenders, challengers, champion)
    except Undecided:
        return SharedAlpha(entry=None, among=())


def _counted(done: StageResult[CountedArms]) -> CountedArms:
    """What is counted is known by name before it is."""
    return done.output if done.reused else CountedArms(arms=dict.fromkeys(BASELINES, cast(Any, done.output)))


def _window(
    cycle: SettledCycle, snapshots: Snapshots, ids: IdentifiedItems, cold: ColdIds,
    champion: Incumbent | None,
) -> ReplayWindow:  # fmt: skip
    """The window; where the tokenizer is still to come, nobody knows yet who can be told of cold items."""
    try:
        return window_of(cycle, snapshots, ids, cold, champion)
    except Undecided as undecided:
        plain = window_of(cycle, snapshots, ids, cold, None)
        return replace(plain, cold_ids=cast(Any, Unknown(undecided.stage)))


def _champion_by_ledger(cycle: SettledCycle) -> Incumbent | None:
    """The champion as it lies on this machine; of one that does not, only the version is known."""
    version = current_champion(warehouse(), load_settings().model_name)
    if version is None:
        return None
    for kept in map(read_record, cycles.cycles(warehouse())):
        if (bundle := kept.bundles.get(version)) and present(bundle.path):
            return incumbent(version, bundle)
    elsewhere: Any = Unknown("open cycle")
    return Incumbent(
        version=version,
        bundle=elsewhere,
        arm=elsewhere,
        train_end=cycle.train_cutoff,
        tokenizer=elsewhere,
        preference=elsewhere,
        content_space=elsewhere,
    )


@contextmanager
def _untouched_warehouse() -> Iterator[None]:
    """Where no warehouse is yet, an empty one aside stands for it."""
    settings, name = load_settings(), "RECLOOP_WAREHOUSE_URL"
    url = settings.warehouse_url.get_secret_value()
    if not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).exists():
        yield
        return
    given = os.environ.get(name)
    with tempfile.TemporaryDirectory(prefix="recloop-plan-") as aside:
        os.environ[name] = f"sqlite:///{aside}/warehouse.db"
        try:
            yield
        finally:
            os.environ.pop(name)
            if given is not None:
                os.environ[name] = given
