"""The champion as monitoring watches it: what it was trained on, and what has arrived since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from components.artifact import ArtifactRef, present, verified
from components.data import cycles, queries, snapshot
from components.data.artifact_erasure import successor_of
from components.evaluation.evidence import read_evidence
from components.evaluation.replay_evidence import ReplayEvidence
from components.registry import tracking, versions
from components.registry.bundle import open_bundle
from flows.record import read_record
from flows.settings import load_settings
from flows.warehouse import warehouse

_TOKENIZER = Path("tokenizer") / "tokenizer"  # in a bundle: the published tokenizer, whole


class NothingToMonitor(Exception):
    """No event lies where one was looked for; the message says what would bring some."""


@dataclass(frozen=True, kw_only=True)
class Champion:
    """Artifacts that are not on this machine are None."""

    version: str
    bundle: ArtifactRef
    arm: str
    train_end: datetime
    features: ArtifactRef | None  # of its own cycle
    tokenizer: ArtifactRef | None  # None for an arm without semantic IDs too
    encoders: ArtifactRef | None  # the feature set of the tokenizer's fit
    replay: ArtifactRef | None  # by which it was judged
    source: str | None  # where files of items lie
    mapping: str = ""  # of the source, as `--map` says it

    def evidence(self) -> ReplayEvidence | None:
        return read_evidence(Path(self.replay.path)) if self.replay else None


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Three snapshots: before the champion's cut, of [since, as_of), and, for its metric, before `since`."""

    champion: Champion
    training: ArtifactRef
    current: ArtifactRef
    since: datetime
    as_of: datetime


def find_champion() -> Champion:
    """The champion, its bundle fetched and checked. Raises NoSuchVersion, TrackingUnreachable."""
    settings = load_settings()
    tracking.configure(settings.mlflow_tracking_uri)
    found = versions.require_champion(settings.model_name)
    bundle = versions.download_bundle(settings.model_name, found.version, settings.artifacts)
    facts = open_bundle(bundle.path).facts
    tokenizer = _whole(Path(bundle.path) / _TOKENIZER)
    fit = verified(tokenizer.path)["parents"].get("feature_set") if tokenizer else None
    finished = cycles.cycles(warehouse())
    told = read_record(finished[-1]).told if finished else None
    return Champion(
        version=found.version,
        bundle=bundle,
        arm=facts.arm,
        train_end=datetime.fromisoformat(facts.train_end),
        features=_published("feature_set", facts.feature_set),
        tokenizer=tokenizer,
        encoders=_published("feature_set", fit),
        replay=_published("replay", found.tags.get("recloop.replay")),
        source=told.source if told else None,
        mapping=told.mapping if told else "",
    )


def watch(champion: Champion, since: datetime | None, as_of: datetime | None) -> Watched:
    """Freeze what is compared. `since` is where the latest batch begins, unless told, and not before the cut.

    Raises NothingToMonitor where no event came after the champion's training.
    """
    root, engine = load_settings().artifacts, warehouse()
    end = as_of or queries.event_time_quantile(engine, 1.0) or champion.train_end
    start = max(since or queries.latest_batch_start(engine) or champion.train_end, champion.train_end)
    try:
        current = snapshot.take_snapshot(engine, root, start=start, end=end)
        training = snapshot.take_snapshot(engine, root, end=champion.train_end)
    except snapshot.SnapshotEmpty as error:
        raise NothingToMonitor(
            f"version {champion.version} was trained on events before {champion.train_end.isoformat()}, and {error} "
            "Bring later events with `recloop ingest`, or begin earlier with --since."
        ) from error
    return Watched(champion=champion, training=training, current=current, since=start, as_of=end)


def before(moment: datetime) -> ArtifactRef:
    """All that was known before a moment."""
    return snapshot.take_snapshot(warehouse(), load_settings().artifacts, end=moment)


def between(start: datetime, end: datetime) -> ArtifactRef | None:
    """Events of [start, end); None where there are none."""
    try:
        return snapshot.take_snapshot(warehouse(), load_settings().artifacts, start=start, end=end)
    except snapshot.SnapshotEmpty:
        return None


def _published(kind: str, digest: str | None) -> ArtifactRef | None:
    """An artifact by its digest, or what erasure put in its place; None where it does not lie on this machine."""
    current = successor_of(warehouse(), digest) if digest else None
    return _whole(load_settings().artifacts / kind / current[:20]) if current else None


def _whole(folder: Path) -> ArtifactRef | None:
    if not present(folder):
        return None
    manifest = verified(folder)
    return ArtifactRef(kind=manifest["kind"], digest=manifest["digest"], path=str(folder))
