"""Monitor: the latest events, items and codes against the champion's training; a page, and an event on drift."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_table_artifact

from components.artifact import digest_of
from components.data import snapshot
from components.data.monitor_runs import monitor_runs, record_monitor_run
from components.features.featureset import load_feature_set
from components.monitoring.codes import no_code_measures
from components.monitoring.decay import Decay, decay_measure, no_decay_measure
from components.monitoring.event_drift import Stretch, event_measures
from components.monitoring.measure import Measure
from components.monitoring.novelty import missing_measures, new_item_measures
from components.monitoring.result import MonitorResult, past_looks
from components.report import render_monitoring
from flows.drift_event import emit_drift
from flows.fresh_metric import measure_fresh, own_window
from flows.item_content import content_of
from flows.measures_shown import measure_rows
from flows.outages import TRIED_AGAIN
from flows.settings import load_settings
from flows.stages import say_in_prefect
from flows.tokenizer_health import check_tokenizer, vectors_of_new
from flows.warehouse import warehouse
from flows.watched_champion import Champion, Watched, before, between, find_champion, watch

PAGE, FIGURES = "index.html", "monitoring.json"


@dataclass(frozen=True, kw_only=True)
class Monitored:
    """What was found, and where it is shown."""

    result: MonitorResult
    page: Path
    event: str | None  # id of the event that tells of the drift


@flow(name="measure-drift", flow_run_name="measure-drift")
def monitor(since: datetime | None = None, as_of: datetime | None = None) -> Monitored:
    """Measure events of [since, as_of) against the champion's training, show it, and emit an event on drift.

    `since` is where the latest batch begins, and `as_of` after the last event, unless told otherwise. Nothing is
    moved or trained. Raises NoSuchVersion while there is no champion, NothingToMonitor.
    """
    watched = freeze_what_is_compared(since, as_of)
    run = digest_of(
        ["monitor", watched.champion.bundle.digest, watched.training.digest, watched.current.digest]
    )
    decay, told = measure_decay(run, watched)
    codes, refit = measure_codes(run, watched)
    measures = (decay[0], *measure_events(watched), *measure_items(watched), *codes)
    result = result_of(watched, measures, decay[1], (*told, *refit))
    page = publish(result)
    event = announce(result)
    say_in_prefect(f"{result.status}: " + "; ".join(f"{m.name} {m.reason}" for m in result.of("drift")))
    return Monitored(result=result, page=page, event=event)


@task(task_run_name="freeze-what-is-compared", **TRIED_AGAIN)
def freeze_what_is_compared(since: datetime | None, as_of: datetime | None) -> Watched:
    """The champion of now, its training snapshot, and the events since."""
    return watch(find_champion(), since, as_of)


@task(task_run_name="measure-events")
def measure_events(watched: Watched) -> tuple[Measure, ...]:
    """Population stability of what users do."""
    items = snapshot.read_items(watched.current).set_index("item_id")["categories"]
    training, current = stretches(watched)
    return event_measures(training, current, items, load_settings().monitor_limits)


@task(task_run_name="measure-items")
def measure_items(watched: Watched) -> tuple[Measure, ...]:
    """New items, and what of each modality they lack."""
    limits = load_settings().monitor_limits
    known = set(snapshot.read_items(watched.training)["item_id"])
    catalogue = set(snapshot.read_items(watched.current)["item_id"])
    training, current = stretches(watched)
    found = new_item_measures(training, current, known, catalogue, limits)
    champion = watched.champion
    if champion.features is None:
        return found
    features = load_feature_set(champion.features)
    content = content_of(champion.source, champion.mapping)
    new = vectors_of_new(features.encoders, features.vectors.item_ids, watched.current, content)
    return (*found, *missing_measures(features.vectors.present, new.present, limits))


def measure_codes(run: str, watched: Watched) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """The frozen tokenizer on items that came after its fit, and whether the next retraining refits it."""
    limits, champion = load_settings().monitor_limits, watched.champion
    if champion.tokenizer is None:
        return no_code_measures(f"{champion.arm} has no semantic IDs", limits), ()
    if champion.encoders is None:
        return no_code_measures("the feature set of its fit is not on this machine", limits), ()
    health = check_tokenizer(
        run,
        champion.source,
        watched.current,
        champion.encoders,
        champion.tokenizer,
        limits,
        champion.mapping,
    ).output
    return health.measures, ((f"The tokenizer is {health.note}.",) if health.unhealthy else ())


def measure_decay(run: str, watched: Watched) -> tuple[tuple[Measure, Decay | None], tuple[str, ...]]:
    """NDCG@10 on what came after the champion's own replay window, against what it had there."""
    settings, champion = load_settings(), watched.champion
    limits, evidence = settings.monitor_limits, champion.evidence()
    then = own_window(champion.replay, evidence.challenger) if evidence and champion.replay else None
    if evidence is None or then is None:
        reason = "the replay that it was judged by, with its table of users, is not on this machine"
        return (no_decay_measure(reason, limits), None), ()
    start = max(watched.since, evidence.plan.window_end)
    fresh = between(start, watched.as_of) if start < watched.as_of else None
    if fresh is None:
        reason = f"no event came after its own replay window, which ended at {evidence.plan.window_end:%Y-%m-%d %H:%M}Z"
        return (no_decay_measure(reason, limits), None), ()
    found = measure_fresh(
        run, champion.bundle, before(start), fresh, start, watched.as_of, evidence.plan.mode,
        evidence.plan.filter_seen, settings.monitor_users, evidence.plan.event_weights,
    ).output  # fmt: skip
    asked = f"NDCG@10 is of {len(found.values):,} of {found.num_users:,} users since {start:%Y-%m-%d %H:%M}Z."
    return decay_measure(then, found.values, limits), (asked,)


def stretches(watched: Watched) -> tuple[Stretch, Stretch]:
    """The training from its first event on, and the current events."""
    training = snapshot.read_events(watched.training)
    first = training["timestamp"].min().to_pydatetime()
    return (
        Stretch(events=training, start=first, end=watched.champion.train_end),
        Stretch(events=snapshot.read_events(watched.current), start=watched.since, end=watched.as_of),
    )


def result_of(
    watched: Watched, measures: tuple[Measure, ...], decay: Decay | None, notes: tuple[str, ...]
) -> MonitorResult:
    champion: Champion = watched.champion
    return MonitorResult(
        model=load_settings().model_name,
        version=champion.version,
        bundle=champion.bundle.digest,
        snapshot=watched.training.digest,
        train_end=champion.train_end,
        since=watched.since,
        as_of=watched.as_of,
        num_training_events=snapshot.snapshot_facts(watched.training).num_events,
        num_events=snapshot.snapshot_facts(watched.current).num_events,
        measures=measures,
        decay=decay,
        notes=notes,
    )


@task(task_run_name="publish-monitoring")
def publish(result: MonitorResult) -> Path:
    """Keep the look in the warehouse; the page and the figures of this one where `recloop ui` shows them."""
    settings = load_settings()
    record_monitor_run(
        warehouse(), model=result.model, version=result.version, since=result.since, as_of=result.as_of,
        status=result.status, result=result.to_dict(),
    )  # fmt: skip
    history = past_looks(run.result for run in monitor_runs(warehouse(), result.model))
    _replace(settings.monitoring / FIGURES, json.dumps(result.to_dict(), indent=1, sort_keys=True))
    page = settings.monitoring / PAGE
    _replace(page, render_monitoring(result, history))
    create_table_artifact(
        key="drift", table=measure_rows(result.measures),
        description=f"{result.status}: the latest events against the training of version {result.version}",
    )  # fmt: skip
    create_link_artifact(
        key="monitoring", link=settings.page_url(page), link_text="monitoring (under `recloop ui`)",
        description="Every measure with its bounds, and over time",
    )  # fmt: skip
    return page


@task(task_run_name="announce-drift")
def announce(result: MonitorResult) -> str | None:
    """Emit the event that starts retraining where an automation listens; nothing while nothing drifts."""
    if result.status != "drift":
        return None
    settings = load_settings()
    event = emit_drift(result, settings.page_url(settings.monitoring / PAGE))
    return str(event.id) if event else None


def _replace(path: Path, text: str) -> None:
    """Old or new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)
