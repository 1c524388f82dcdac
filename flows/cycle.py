"""The parent flow: one retraining cycle, from what has arrived to who is champion.

Every stage is a task that runs once per key (see `stages`), so the flow may be killed anywhere and started
again. What a cycle is compared with, and whose IDs it carries on, is settled when it begins.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from prefect import flow, runtime, tags, task

from components.data import lease, snapshot
from components.recommender.arm import READ_CODES, ChallengerName
from components.registry import tracking
from components.registry.bundle import open_bundle
from flows.asking import Contender
from flows.cold import identify_cold
from flows.features import features
from flows.ingest import ingest
from flows.record import carried_into, cycle_id, keep_cycle
from flows.release import champion_now, open_tracking, promote, register
from flows.replay import replay, report_page
from flows.request import CycleRequest
from flows.settings import load_settings
from flows.stages import Outcome, run_once
from flows.state import warehouse
from flows.summary import CycleSummary, StageFigure, arm_figures
from flows.sweep import sweep_dead_runs, warehouse_tag
from flows.training import BASELINES, bundle_challenger, extend_ids, fit_tokenizer, train_arm, train_baselines

REFERENCE: ChallengerName = "sasrec"  # the baseline that every challenger faces
CHAMPION = "champion"


def run_cycle(request: CycleRequest) -> CycleSummary:
    """Run one cycle as a flow that carries this warehouse's tag, alone among the cycles of the warehouse.

    Raises LeaseHeld if another retraining is going on.
    """
    with (
        lease.hold_lease(warehouse(), "retraining", owner=lease.this_process()),
        tags(warehouse_tag(load_settings())),
    ):
        return retraining_cycle(request)


@flow(name="retraining-cycle", flow_run_name="cycle-until-{request.as_of:%Y-%m-%d}")
def retraining_cycle(request: CycleRequest) -> CycleSummary:
    """Ingest, train, replay, decide, register, promote. Returns what there is to tell."""
    begin = time.perf_counter()
    sweep_dead_runs(load_settings(), alive=runtime.flow_run.id)
    run = cycle_id(request)
    tracked = open_tracking(run, f"until {request.as_of:%Y-%m-%d}")

    checked, landed = ingest(run, request)
    opened = open_cycle(run, request, checked.output["batch"]["digest"])
    champion, carried = opened.output["champion"], opened.output["carried"]
    snapshots = take_snapshots(run, request, landed.output["result"]["batch_id"])
    train, window = snapshots.output["train"], snapshots.output["window"]

    prepared = features(run, request.source, train, window, carried and carried["encoders"])
    feature_set, training_set = prepared[0].output["feature_set"], prepared[-1].output["training_set"]
    if carried:
        identified = extend_ids(run, training_set, feature_set, carried)
    else:
        previous = opened.output["previous"]
        identified = fit_tokenizer(
            run, train, training_set, feature_set, request.preset, request.seed, previous and previous["ids"]
        )
    ids = identified.output
    cold = identify_cold(run, request.source, window, ids)

    again = _recipe_to_refit(champion, request)
    trained = [
        train_arm(run, arm, training_set, ids["ids"], request.preset, request.seed, tracked)
        for arm in dict.fromkeys((request.challenger, REFERENCE, *([again] if again else [])))
    ]
    counted = train_baselines(run, train)
    arms = {outcome.output["name"]: outcome.output["arm"] for outcome in trained}
    bundled = bundle_challenger(run, request, train, feature_set, ids, arms[request.challenger])

    tokenizer = ids["tokenizer"]["digest"]
    contenders = _contenders(request, arms, counted.output, bundled.output["bundle"], champion, tokenizer)
    is_fair = _can_be_told_of_cold_items(champion, request, tokenizer)
    replayed = replay(
        run, train, window, contenders, request.challenger, CHAMPION if champion else None, request.profile,
        request.mode, request.filter_seen, cold.output["cold_ids"] if is_fair else None, request.source,
    )  # fmt: skip
    judged = replayed[-1].output
    registered = register(run, tracked, bundled.output["bundle"], judged)
    promoted = promote(run, registered.output, judged, champion and champion["version"])

    outcomes = [
        checked, landed, opened, snapshots, *prepared, identified, cold, *trained, counted, bundled, *replayed,
        registered, promoted,
    ]  # fmt: skip
    summary = _summarise(request, run, outcomes, tracked, time.perf_counter() - begin)
    keep_cycle(
        request,
        summary,
        received=checked.output["received_digest"],
        carried={name: ids[name] for name in ("encoders", "tokenizer", "ids")},
        bundle=bundled.output["bundle"],
    )
    return summary


@task
def open_cycle(run: str, request: CycleRequest, batch: str) -> Outcome:
    """Settle what this cycle is compared with and carries on: the champion of now, the last cycle's IDs.

    A cycle that refits its tokenizer carries nothing on, and still compares its IDs with the previous ones.
    """

    def work() -> dict[str, Any]:
        champion = champion_now()
        previous = carried_into(request)
        carried = previous if request.tokenizer == "reuse" else None
        against = f"against version {champion['version']}" if champion else "no champion yet"
        return {"champion": champion, "carried": carried, "previous": previous, "note": against}

    return run_once(
        "open cycle", run=run, inputs={"batch": batch, "run": run}, config={}, rooms=(), work=work
    )


@task
def take_snapshots(run: str, request: CycleRequest, watermark: int) -> Outcome:
    """The events before the cut, and those of the replay window, frozen."""

    def work() -> dict[str, Any]:
        root = load_settings().artifacts
        train = snapshot.take_snapshot(warehouse(), root, end=request.train_cutoff)
        window = snapshot.take_snapshot(warehouse(), root, start=request.train_cutoff, end=request.as_of)
        facts, later = snapshot.snapshot_facts(train), snapshot.snapshot_facts(window)
        return {
            "train": train.to_dict(),
            "window": window.to_dict(),
            "train_events": facts.num_events,
            "note": f"{facts.num_events:,} events before the cut, {later.num_events:,} after it",
        }

    return run_once(
        "take snapshots",
        run=run,
        inputs={"watermark": watermark},
        config={"cut": request.train_cutoff.isoformat(), "end": request.as_of.isoformat()},
        rooms=("data",),
        work=work,
    )


def _contenders(
    request: CycleRequest,
    arms: Mapping[str, dict[str, str]],
    counted: Mapping[str, dict[str, str]],
    bundle: dict[str, str],
    champion: dict[str, str] | None,
    tokenizer: str,
) -> list[Contender]:
    """Everyone who is asked for lists. The challenger is asked out of the bundle that will be registered.

    `tokenizer` is the digest of the one whose IDs this cycle's arms were trained on.
    """
    train_end = request.train_cutoff.isoformat()

    def plain(name: str, arm: dict[str, str], **more: Any) -> Contender:
        return Contender(name=name, arm=arm, folder="", train_end=train_end, digest=arm["digest"], **more)

    contenders = [
        Contender(
            name=request.challenger, arm=bundle, folder="arm", train_end=train_end, digest=bundle["digest"],
            reads_cold_ids=request.challenger in READ_CODES,
        )
    ]  # fmt: skip
    if champion and (again := _recipe_to_refit(champion, request)):
        refit = plain(CHAMPION, arms[again], compared="refit at the cut", reads_cold_ids=again in READ_CODES)
        contenders.append(refit)
    elif champion:
        held = {name: champion[name] for name in ("kind", "digest", "path")}
        facts = open_bundle(champion["path"]).facts
        contenders.append(
            Contender(
                name=CHAMPION, arm=held, folder="arm", train_end=facts.train_end, digest=champion["digest"],
                reads_cold_ids=facts.tokenizer == tokenizer,
            )
        )  # fmt: skip
    beside = {REFERENCE: arms[REFERENCE]} if request.challenger != REFERENCE else {}
    contenders += [plain(name, ref) for name, ref in beside.items()]
    return contenders + [plain(name, counted[name]) for name in BASELINES]


def _recipe_to_refit(champion: dict[str, str] | None, request: CycleRequest) -> ChallengerName | None:
    """The champion's arm, if it learned past this cycle's cut: then its recipe is trained anew, up to the cut."""
    if champion is None:
        return None
    facts = open_bundle(champion["path"]).facts
    has_leaked = datetime.fromisoformat(facts.train_end) > request.train_cutoff
    return cast(ChallengerName, facts.arm) if has_leaked else None


def _can_be_told_of_cold_items(
    champion: dict[str, str] | None, request: CycleRequest, tokenizer: str
) -> bool:
    """False for a champion on the IDs of another tokenizer: those of cold items would mean nothing to it."""
    if champion is None or _recipe_to_refit(champion, request):
        return True
    return open_bundle(champion["path"]).facts.tokenizer in (None, tokenizer)


def _summarise(
    request: CycleRequest,
    run: str,
    outcomes: Iterable[Outcome],
    tracked: tracking.TrackingRun,
    seconds: float,
) -> CycleSummary:
    outcomes = list(outcomes)
    found = {outcome.stage: outcome.output for outcome in outcomes}
    settings = load_settings()
    landed, opened, judged = found["land batch"], found["open cycle"], found["judge"]
    identified = found.get("extend ids") or found["fit tokenizer"]
    folder = Path(judged["replay"]["path"])
    evidence = json.loads((folder / "evidence.json").read_text())
    champion = opened["champion"]
    return CycleSummary(
        cycle_id=run,
        source=request.source,
        as_of=request.as_of.isoformat(),
        train_cutoff=request.train_cutoff.isoformat(),
        received=landed["result"]["received"],
        accepted=landed["result"]["accepted"],
        quarantined=landed["result"]["quarantined"],
        duplicates=landed["result"]["duplicates"],
        quarantine_reasons=landed["reasons"],
        train_events=found["take snapshots"]["train_events"],
        window_users=evidence["plan"]["users"],
        window_requests=evidence["plan"]["requests"],
        verdict=judged["verdict"],
        reasons=tuple(evidence["measured"]["reasons"]),
        version=found["register"]["version"],
        champion_before=champion and champion["version"],
        champion_after=found["promote"]["champion"],
        tokenizer=identified["tokenizer"]["digest"],
        tokenizer_reused="extend ids" in found,
        new_ids=identified["new_ids"],
        ids_note=identified["note"],
        arms=tuple(arm_figures(evidence)),
        stages=tuple(
            StageFigure(stage=o.stage, seconds=o.seconds, peak_mb=o.peak_mb, reused=o.reused)
            for o in outcomes
        ),
        seconds=seconds,
        addresses={
            "replay report": str(report_page(judged["replay"])),
            "Prefect run": f"{settings.prefect_ui_url}/runs/flow-run/{runtime.flow_run.id}",
            "MLflow run": tracked.url,
            "MLflow version": f"{settings.mlflow_tracking_uri}/#/models/{settings.model_name}/versions/"
            f"{found['register']['version']}",
            "Data Docs": found["check batch"]["data_docs"],
        },
    )
