"""Batch scoring: one version's lists for everybody, written where they are read, then served all at once.

The version is resolved once, when the flow begins. Nothing is served before everything is written: the parquet
folder, the warehouse's rows and the rows of the online store carry the run's name, and one pointer says which run
is served. A killed run is started again and goes on; asked again with nothing new, it says so.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from prefect import flow, task
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from components.artifact import ArtifactRef, digest_of, sha256_file
from components.data import lease, queries, recommendations, snapshot
from components.data.artifact_erasure import drop_superseded
from components.data.erased_users import erased_among
from components.data.served_runs import ScoringRun
from components.features.store import addresses
from components.features.store.availability import available_since
from components.features.store.lists import make_lists_ready, push_lists
from components.features.store.live import feature_set_online, make_ready
from components.features.store.offline import latest_sequences
from components.features.store.opening import open_store
from components.parallel.scoring import write_on_ray
from components.registry import tracking, versions
from components.serving import batch, spool
from components.serving.histories import UserHistories
from components.serving.loaded import loaded_version
from components.serving.new_items import read_new_items
from flows.features import refresh_features
from flows.local.console import progress_bar
from flows.new_items import IdentifiedNewItems, identify_new
from flows.outages import TRIED_AGAIN
from flows.settings import load_settings
from flows.stages import StageResult, key_of, run_once, say_in_prefect
from flows.warehouse import SCORING, warehouse
from flows.workers import workers_of


class NothingToScore(Exception):
    """No events have landed, or no user has features: says what to run first."""


class ScoringRequest(BaseModel):
    """What is asked of a scoring: the form that Prefect's UI draws, and the CLI fills."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str | None = Field(
        default=None, description="a registered version; none: the one the alias names"
    )
    alias: str = Field(default="champion", description="resolved once, when the run begins")
    k: int = Field(default=10, ge=1, le=100, description="places of a list")
    as_of: AwareDatetime | None = Field(
        default=None, description="what counts as known; none: as far as the data reaches"
    )


@dataclass(frozen=True, kw_only=True)
class PinnedVersion:
    """The version of this run, whatever the alias names later."""

    version: str
    bundle: ArtifactRef


@dataclass(frozen=True, kw_only=True)
class FreshFeatures:
    """What users' histories are read from, as it lay there when the run began."""

    cut: str  # SHA-256 of the newest cut's file
    pushed: str  # fingerprint of the events that were posted since
    feature_set: str  # that is online; "" if not known


@dataclass(frozen=True, kw_only=True)
class ScoredUsers:
    """The published lists of a run."""

    run: str
    lists: ArtifactRef
    feature_set: str
    figures: batch.BatchFigures

    @property
    def note(self) -> str:
        return f"{self.figures.num_users:,} users, {self.figures.num_items:,} different items listed"


@dataclass(frozen=True, kw_only=True)
class WrittenLists:
    lists: ArtifactRef
    num_rows: int

    @property
    def note(self) -> str:
        return f"{self.num_rows:,} rows"


@dataclass(frozen=True, kw_only=True)
class ScoredBatch:
    """What there is to tell of a scoring."""

    run: str
    version: str
    lists: ArtifactRef
    figures: batch.BatchFigures
    new_items: IdentifiedNewItems
    served_since: datetime
    reused: bool  # the same lists had been made before
    seconds: float
    cpu_seconds: float


@flow(name="recommend-batch", flow_run_name="recommend-batch")
def recommend_batch(request: ScoringRequest) -> ScoredBatch:
    """Score everybody with one version, write the lists everywhere, then serve them.

    Alone among the scorings of its warehouse: raises LeaseHeld. Raises NoSuchVersion, NothingToScore.
    """
    begin, begin_cpu = time.perf_counter(), time.process_time()
    with lease.hold_lease(warehouse(), SCORING, owner=lease.this_process()) as held:
        pinned = pin_version(request)
        known = freeze_known(request)
        run = digest_of(
            ["recommend-batch", request.model_dump(mode="json"), pinned.bundle.digest, known.digest]
        )
        identified = identify_new(run, pinned.bundle, known)
        refresh_features(run, known)
        scored = score_users(run, request.k, pinned, identified.output)
        write_warehouse(run, pinned, scored.output)
        push_online(run, scored.output)
        held.ensure_held()
        served = recommendations.publish_run(warehouse(), scored.output.run)
    say_in_prefect(
        f"version {pinned.version}: {scored.output.note}; served since {served.at:%Y-%m-%d %H:%M}Z"
    )
    return ScoredBatch(
        run=scored.output.run,
        version=pinned.version,
        lists=scored.output.lists,
        figures=scored.output.figures,
        new_items=identified.output,
        served_since=served.at,
        reused=scored.reused,
        seconds=time.perf_counter() - begin,
        cpu_seconds=time.process_time() - begin_cpu,
    )


@task(task_run_name="pin-version", **TRIED_AGAIN)
def pin_version(request: ScoringRequest) -> PinnedVersion:
    """Resolve the alias, once, and fetch the bundle. Raises NoSuchVersion."""
    settings = load_settings()
    tracking.configure(settings.mlflow_tracking_uri)
    name = settings.model_name
    if request.version is not None:
        found = versions.get_version(name, request.version)
    else:
        found = versions.require_alias(name, request.alias)
    return PinnedVersion(
        version=found.version, bundle=versions.download_bundle(name, found.version, settings.artifacts)
    )


@task(task_run_name="freeze-known", **TRIED_AGAIN)
def freeze_known(request: ScoringRequest) -> ArtifactRef:
    """What is known of users and items, as far as the data reaches. Raises NothingToScore."""
    drop_superseded(warehouse(), load_settings().artifacts)
    end = request.as_of or queries.told_until(warehouse())
    if end is None:
        raise NothingToScore(
            "the warehouse holds no events. `recloop ingest` and `recloop retrain` come first."
        )
    return snapshot.take_snapshot(warehouse(), load_settings().artifacts, end=end)


@task(task_run_name="score-users")
def score_users(
    run: str, k: int, pinned: PinnedVersion, identified: IdentifiedNewItems
) -> StageResult[ScoredUsers]:
    """Everybody's list, in chunks at constant memory, as parquet. Raises NothingToScore."""
    settings, fresh = load_settings(), _features_now()
    registered = versions.get_version(settings.model_name, pinned.version)
    key = key_of(
        score_users, "score users", run=run,
        reads={"bundle": pinned.bundle, "new_items": identified.ids},
        facts={
            "version": pinned.version, "k": k, "exclude_seen": registered.excludes_seen, **vars(fresh),
            "users_at_once": settings.score_users_at_once, **settings.ranked_on,
        },
    )  # fmt: skip

    def work() -> ScoredUsers:
        name = f"batch-{key.digest[:16]}"
        open_version = partial(
            loaded_version,
            registered,
            pinned.bundle.path,
            new=read_new_items(identified.ids) if identified.ids else None,
            available_since=dict(available_since(settings.feast_home)),
            compute=settings.compute,
        )
        workers = workers_of(settings)
        store = open_store(settings.feast_home)
        make_ready(store)
        posted = spool.users_of(settings.events_spool)
        source = UserHistories(
            store=store,
            cut=latest_sequences(store.home),
            pushed=posted - erased_among(warehouse(), posted),
        )
        with progress_bar("score users", total=source.num_users) as bar:
            lists, figures = batch.score_everybody(
                open_version(),
                source,
                batch.BatchRun(
                    run=name,
                    model_version=pinned.version,
                    bundle=pinned.bundle.digest,
                    feature_set=fresh.feature_set,
                    k=k,
                    exclude_seen=registered.excludes_seen,
                    users_at_once=settings.score_users_at_once,
                ),
                settings.artifacts,
                now=lambda: datetime.now(UTC),
                parents=key.parents,
                on_step=lambda done, total: bar(done, total, {}),
                write=partial(write_on_ray, open_version, workers) if workers else None,
            )
        return ScoredUsers(run=name, lists=lists, feature_set=fresh.feature_set, figures=figures)

    return run_once(key, ScoredUsers, work, computes=True)


@task(task_run_name="write-warehouse", **TRIED_AGAIN)
def write_warehouse(run: str, pinned: PinnedVersion, scored: ScoredUsers) -> StageResult[WrittenLists]:
    """The lists as rows of the warehouse, under the run's name."""
    key = key_of(
        write_warehouse, "write lists", run=run, reads={"lists": scored.lists}, facts={"run": scored.run}
    )

    def work() -> WrittenLists:
        named = ScoringRun(
            run=scored.run,
            model_version=pinned.version,
            bundle=pinned.bundle.digest,
            feature_set=scored.feature_set,
        )
        rows = 0
        for part in batch.read_parts(scored.lists):
            recommendations.write_lists(warehouse(), named, part)
            rows += len(part)
        return WrittenLists(lists=scored.lists, num_rows=rows)

    return run_once(key, WrittenLists, work)


@task(task_run_name="push-online", **TRIED_AGAIN)
def push_online(run: str, scored: ScoredUsers) -> StageResult[WrittenLists]:
    """The lists into Feast's online store, under the run's name."""
    home = load_settings().feast_home
    key = key_of(
        push_online, "push lists", run=run,
        reads={"lists": scored.lists}, facts={"run": scored.run, "feast_home": addresses.identity(home)},
    )  # fmt: skip

    def work() -> WrittenLists:
        store = open_store(home)
        make_lists_ready(store)
        lists = sum(push_lists(store, scored.run, part) for part in batch.read_parts(scored.lists))
        return WrittenLists(lists=scored.lists, num_rows=lists)

    return run_once(key, WrittenLists, work)


def _features_now() -> FreshFeatures:
    """What histories would be read from now. Raises NothingToScore."""
    settings = load_settings()
    cut = latest_sequences(settings.feast_home)
    if cut is None:
        raise NothingToScore("no user has features yet. `recloop retrain` loads them.")
    store = open_store(settings.feast_home)
    make_ready(store)
    return FreshFeatures(
        cut=sha256_file(cut),
        pushed=_fingerprint(settings.events_spool),
        feature_set=feature_set_online(store),
    )


def _fingerprint(folder: Path) -> str:
    """Of the posted events: files only grow, unless somebody is erased from them."""
    sizes = [
        (str(path.relative_to(folder)), path.stat().st_size) for path in sorted(folder.glob("*/events.csv"))
    ]
    return hashlib.sha256(repr(sizes).encode()).hexdigest()
