"""The parent flow: one retraining cycle, from what has arrived to who is champion.

Every stage is a task that runs once per key (see `stages`), so the flow may be killed anywhere and started
again. What a cycle is compared with, and whose IDs it carries on, is settled when it begins.
"""

from __future__ import annotations

import time
from functools import partial
from typing import cast

from prefect import flow, task

from components.data.alpha import checked_alpha
from components.data.artifact_erasure import drop_superseded
from components.evaluation.contenders import CHAMPION, Incumbent, arms_to_train
from components.recommender.names import ArmName
from components.registry.tracking import TrackingRun
from flows.carried import CarriedIds
from flows.cycle_parts import (
    CycleParts,
    OpenedCycle,
    asks_for_health,
    contenders_of,
    keeps_types,
    opened_with,
    reads_content,
    refuse_other_settings,
    start_of,
    subject_of,
    summarise,
    window_of,
)
from flows.cycle_shown import show_cycle
from flows.features import Features, features
from flows.graph import linked
from flows.ingest import CheckedBatch, ingest
from flows.local.console import warning_line
from flows.outages import TRIED_AGAIN
from flows.record import is_on_record, keep_cycle, put_back_carried
from flows.release import champion_now, promote, register, register_beside
from flows.replay import replay
from flows.request import CycleRequest
from flows.retraining_lease import only_retraining
from flows.semantic_ids import IdentifiedItems, extend_ids, fit_tokenizer, identify_cold
from flows.settings import load_settings
from flows.settled import SettledCycle, settle_cycle
from flows.snapshots import Snapshots, take_snapshots
from flows.stages import ASKED, StageResult, key_of, run_once, say_in_prefect
from flows.summary import CycleSummary
from flows.telling import outlast_a_restart
from flows.tokenizer_health import TokenizerHealth, check_tokenizer
from flows.tracked_cycle import conclude, track_artifacts, track_snapshots, tracked_cycle
from flows.training import BundledChallenger, bundle_challenger, count_popularity, train_arm
from flows.verdict_event import emit_verdict
from flows.warehouse import warehouse
from flows.warm_start import Beginning, beginning_of, choose_start
from flows.weighted_types import check_preference, check_weights


@flow(name="retraining-cycle", flow_run_name="retrain {request.challenged_by} on {request.called}")
def retraining_cycle(request: CycleRequest) -> CycleSummary:
    """Ingest, train, replay, decide, register, promote. Returns what there is to tell.

    Alone among the retrainings of its warehouse: raises LeaseHeld if another one goes on. Raises BadRequest
    for a request that cannot be settled.
    """
    begin = time.perf_counter()
    outlast_a_restart()
    with only_retraining():
        drop_superseded(warehouse(), load_settings().artifacts)
        cycle = settle(request)
        with tracked_cycle(cycle) as tracked:
            parts = _run(cycle, tracked)
            told = summarise(cycle, parts, tracked, seconds=time.perf_counter() - begin)
            conclude(tracked, cycle, told)
            show_cycle(told)
            if not is_on_record(cycle):  # what is told again is not announced again
                emit_verdict(load_settings(), told, parts.promoted.output)
            _keep(cycle, parts, told)
    say_in_prefect(f"{told.verdict}: version {told.version}; champion is version {told.champion_after}")
    return told


def _run(cycle: SettledCycle, tracked: TrackingRun) -> CycleParts:
    """The stages in their order; each gives the next what it reads."""
    run, request = cycle.id, cycle.request
    checked, landed = linked(ingest(cycle.asked, run, cycle.as_of))
    opened = linked(open_cycle(cycle, checked.output))
    champion, carried = opened.output.champion, opened.output.carried
    refuse_other_settings(cycle, champion)
    snapshots = linked(take_snapshots(run, cycle, landed.output))
    check_weights(snapshots.output, request.event_weights, filter_seen=request.filter_seen)
    check_preference(snapshots.output, request)
    track_snapshots(tracked, request.source, snapshots.output)
    health = _check_tokenizer(cycle, snapshots.output, carried)
    if health and health.output.unhealthy:
        warning_line(f"tokenizer {health.output.note}")
        carried = None
    prepared = linked(
        features(
            run, request.source, snapshots.output, carried.encoders if carried else None,
            request.vector_limits, tracked, request.mapping, keeps_types(cycle, champion),
        )
    )  # fmt: skip
    identified = _identify(cycle, snapshots.output, prepared, carried, opened.output, health)
    if identified.output.outside:
        warning_line(f"{opened.output.tokenizer_name} is a baseline, and stays: {identified.output.outside}")
    cold = linked(
        identify_cold(
            run, request.source, snapshots.output, identified.output.carried, request.mapping,
            reads_content(request, champion),
        )
    )  # fmt: skip
    begun = _begin(cycle, champion, identified.output, snapshots.output)
    beginning = begun.output if begun else None
    arms = arms_to_train(request.challengers, champion, cycle.train_cutoff)
    trained = {
        arm: linked(
            train_arm(
                run, cast(ArmName, arm), prepared.rows.output, identified.output, request.preset, request.seed,
                tracked, request.event_weights, request.settings_of(arm), request.tuned_digest(arm),
                start_of(beginning, arm, request), request.new_item_share(arm), request.preference_of(arm),
            )
        )
        for arm in arms
    }  # fmt: skip
    fitted = {arm: done.output for arm, done in trained.items()}
    counted = linked(count_popularity(run, snapshots.output, request.event_weights))
    bundled: dict[str, StageResult[BundledChallenger]] = {
        arm: linked(bundle_challenger(
            run, snapshots.output, prepared.encoded.output, identified.output, fitted[arm], request.seed,
            beginning.of(arm).warm if beginning else None,
        ))
        for arm in request.challengers
    }  # fmt: skip
    bundles = {arm: done.output for arm, done in bundled.items()}
    replayed = replay(
        run,
        window_of(cycle, snapshots.output, identified.output, cold.output, champion),
        contenders_of(cycle, fitted, counted.output, bundles, champion, identified.output),
        request.challengers,
        CHAMPION if champion else None,
        request.source,
        subject_of(request, opened.output, health, beginning, identified.output),
    )
    made = {
        "features": prepared.encoded.output.feature_set, "tokenizer": identified.output.tokenizer,
        "ids": identified.output.ids, "replay": replayed.judged.output.replay,
    } | {f"train.{arm}": done.arm for arm, done in fitted.items()}  # fmt: skip
    track_artifacts(tracked, made)
    lead = replayed.challengers.lead
    registered = register(run, tracked, bundles[lead], replayed, beginning.of(lead).told if beginning else "")
    beside = {
        arm: register_beside(
            run, tracked, arm, bundles[arm], one.output, replayed.page,
            beginning.of(arm).told if beginning else "",
        )
        for arm, one in replayed.challengers.beside.items()
    }  # fmt: skip
    promoted = promote(run, registered.output, replayed, champion.version if champion else None)
    return CycleParts(
        checked=checked, landed=landed, opened=opened, snapshots=snapshots, health=health, prepared=prepared,
        identified=identified, cold=cold, begun=begun, trained=tuple(trained.values()), counted=counted,
        bundled=bundled, replayed=replayed, beside=beside, registered=registered, promoted=promoted,
    )  # fmt: skip


def _begin(
    cycle: SettledCycle, champion: Incumbent | None, ids: IdentifiedItems, snapshots: Snapshots
) -> StageResult[Beginning] | None:
    """Where training begins; None where no warm start was asked for. One that cannot be is said aloud."""
    if not cycle.request.warm_start:
        return None
    begun = linked(
        choose_start(
            cycle.id,
            partial(beginning_of, cycle, champion, ids.tokenizer, ids.encoders, snapshots.train),
        )
    )
    if begun.output.warm is None:
        warning_line(begun.output.told)
    return begun


def _check_tokenizer(
    cycle: SettledCycle, snapshots: Snapshots, carried: CarriedIds | None
) -> StageResult[TokenizerHealth] | None:
    """Its health on items that came after its fit; None where nobody asks, since there is none or it stays anyhow."""
    if carried is None or not asks_for_health(cycle, carried):
        return None
    return check_tokenizer(
        cycle.id, cycle.request.source, snapshots.train, carried.encoders, carried.tokenizer,
        load_settings().monitor_limits, cycle.request.mapping,
    )  # fmt: skip


def _identify(
    cycle: SettledCycle, snapshots: Snapshots, prepared: Features, carried: CarriedIds | None,
    opened: OpenedCycle, health: StageResult[TokenizerHealth] | None,
) -> StageResult[IdentifiedItems]:  # fmt: skip
    """IDs by the tokenizer that is carried on, or by a new one; whose `health` decided which."""
    rows, encoded, request = prepared.rows.output, prepared.encoded.output, cycle.request
    if carried:
        return linked(extend_ids(cycle.id, rows, encoded, carried, wait_for=[health]))
    asked = (cycle.id, snapshots, rows, encoded, opened.tokenizer_name, request.preset, request.seed)
    return linked(fit_tokenizer(*asked, opened.previous, wait_for=[health]))


@task(task_run_name="settle-request", **TRIED_AGAIN)
def settle(request: CycleRequest) -> SettledCycle:
    """Fill in what the request leaves open: "now", and the cut."""
    cycle = settle_cycle(request)
    say_in_prefect(
        f"train before {cycle.train_cutoff:%Y-%m-%d %H:%M}Z, replay until {cycle.as_of:%Y-%m-%d %H:%M}Z"
    )
    return cycle


@task(task_run_name="open-cycle", **TRIED_AGAIN)
def open_cycle(cycle: SettledCycle, checked: CheckedBatch) -> StageResult[OpenedCycle]:
    """Settle what this cycle is compared with and carries on: the champion of now, the last cycle's IDs.

    A cycle that refits its tokenizer carries nothing on, and still compares its IDs with the previous ones. Raises
    LedgerBroken if alpha is not what was written: none would be given after the training.
    """
    if not ASKED.get():  # else it is only planned, perhaps for a home that is not there
        checked_alpha(warehouse())
    key = key_of(
        open_cycle, "open cycle", run=cycle.id, reads={"batch": checked.batch}, facts={"cycle": cycle.id}
    )

    def work() -> OpenedCycle:
        if cycle.request.tokenizer != "refit":
            put_back_carried(cycle)
        return opened_with(cycle, champion_now())

    return run_once(key, OpenedCycle, work)


def _keep(cycle: SettledCycle, parts: CycleParts, told: CycleSummary) -> None:
    """The cycle on record: what the next one carries on, and what code it went through."""
    keep_cycle(
        cycle,
        told,
        received=parts.checked.output.received_digest,
        carried=parts.identified.output.carried,
        bundle=parts.bundled[parts.replayed.challengers.lead].output.bundle,
        beside=tuple(parts.bundled[arm].output.bundle for arm in parts.beside),
        codes=[stage.code for stage in parts.stages],
        item_vectors=parts.prepared.encoded.output.item_vectors,
    )
