"""Features: item vectors and user sequences of the training snapshot, published, and through Feast.

Encoders are fitted once and stay for as long as the tokenizer does, since IDs live in the space they make.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from prefect import flow, runtime, task
from prefect.artifacts import create_table_artifact

from components.artifact import ArtifactRef
from components.data import snapshot
from components.data.contracts.vector_check import VectorLimits, check_item_vectors
from components.features import encoding
from components.features.coded_events import COLUMNS, CodedEvents, code_events
from components.features.encoders.precomputed import MODALITY, refuse_another_model
from components.features.featureset import load_feature_set, publish_feature_set, read_sequences
from components.features.graph import item_graph
from components.features.sequences import training_spine, user_sequences
from components.features.store import addresses, offline, online, opening, retrieval
from components.features.trainingset import publish_training_set
from components.features.vectors import ModalityHealth, Unreadable, encoder_dims
from components.registry import tracking
from flows.item_content import content_of, tell_unreadable, tell_unused
from flows.local.console import progress_bar, warning_line
from flows.outages import TRIED_AGAIN
from flows.settings import load_settings
from flows.snapshots import Snapshots
from flows.stages import StageResult, key_of, run_once

SEQUENCE_LENGTH = 512  # events of a user that training and scoring may read


@dataclass(frozen=True, kw_only=True)
class EncodedItems:
    """The published feature set: item vectors, graph, sequences, and the encoders that made them."""

    feature_set: ArtifactRef
    unreadable: tuple[Unreadable, ...]
    health: dict[str, ModalityHealth]
    num_items: int
    left_out: tuple[str, ...] = ()  # modalities that cannot tell items apart
    item_vectors: str = ""  # digest of the vectors that the source brought; "" where it brought none

    @property
    def note(self) -> str:
        without = (
            f"; without {', '.join(self.left_out)}, which cannot tell them apart" if self.left_out else ""
        )
        return f"{self.num_items:,} items: {', '.join(self.health)}{without}"


@dataclass(frozen=True, kw_only=True)
class CheckedVectors:
    data_docs: str
    present: dict[str, int]  # modality → items that have it

    @property
    def note(self) -> str:
        return ", ".join(f"{modality} {count:,}" for modality, count in self.present.items())


@dataclass(frozen=True, kw_only=True)
class StoredFeatures:
    users: int
    as_of: datetime

    @property
    def note(self) -> str:
        return f"{self.users:,} users online as of {self.as_of:%Y-%m-%d}"


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    training_set: ArtifactRef
    num_users: int
    cut: datetime

    @property
    def note(self) -> str:
        return f"{self.num_users:,} users, point in time at {self.cut:%Y-%m-%d}"


@dataclass(frozen=True, kw_only=True)
class Features:
    """What the flow gives on: the feature set and the training set that came back from Feast."""

    encoded: StageResult[EncodedItems]
    checked: StageResult[CheckedVectors]
    stored: StageResult[StoredFeatures]
    rows: StageResult[TrainingRows]

    @property
    def stages(self) -> tuple[StageResult, ...]:
        return (self.encoded, self.checked, self.stored, self.rows)


def _called() -> str:
    return f"features of {Path(runtime.flow_run.parameters['source']).name}"


@flow(name="features", flow_run_name=_called)
def features(
    run: str,
    source: str,
    snapshots: Snapshots,
    encoders: ArtifactRef | None,
    limits: VectorLimits,
    tracked: tracking.TrackingRun,
    mapping: str = "",
    with_types: bool = False,
) -> Features:
    """Encode items, check the vectors, keep everything in Feast, read the training rows back from it.

    `with_types` keeps event types in the training rows, for a training that weighs them.
    """
    encoded = encode_items(run, source, snapshots, encoders, limits.max_duplicate_share, mapping)
    called = f"{Path(source).name} before {snapshots.cut:%Y-%m-%d %H:%M}Z"
    checked = check_vectors(run, encoded.output, limits, called)
    stored = store_features(run, snapshots, encoded.output)
    return Features(
        encoded=encoded,
        checked=checked,
        stored=stored,
        rows=read_training_rows(run, snapshots, encoded.output, tracked, with_types, wait_for=[stored]),
    )


@task(task_run_name="encode-items")
def encode_items(
    run: str,
    source: str,
    snapshots: Snapshots,
    encoders: ArtifactRef | None,
    max_duplicate_share: float = VectorLimits.max_duplicate_share,
    mapping: str = "",
) -> StageResult[EncodedItems]:
    """Vectors of every modality of the items known at the cut; graph and sequences beside them.

    Vectors that the source brings are read here, and are part of the key. Metadata that say the same of more than
    `max_duplicate_share` of the items are left out, and that is said.
    """
    settings, content = load_settings(), content_of(source, mapping)
    key = key_of(
        encode_items, "encode items", run=run,
        reads={"snapshot": snapshots.train, "encoders": encoders},
        facts={
            "sequence_length": SEQUENCE_LENGTH,
            "max_duplicate_share": max_duplicate_share,
            **encoding.EncoderConfig().to_dict(),
            **content.facts,
        },
    )  # fmt: skip

    def work() -> EncodedItems:
        items, events = snapshot.read_items(snapshots.train), coded(snapshots.train)
        before = load_feature_set(encoders) if encoders else None
        if before is None:
            fitted = encoding.fit_encoders(content.beside(items), encoding.EncoderConfig(), root=content.root)
        else:
            fitted = before.encoders
        with progress_bar("encode items") as on_step:
            vectors = content.encode(fitted, items, on_step)
        if before is not None:
            refuse_another_model(before.vectors, vectors)
        held = set(vectors.vectors)
        if not encoders:  # those of a tokenizer that stays stay as they are
            fitted, vectors = encoding.told_apart(fitted, vectors, max_duplicate_share=max_duplicate_share)
        published = publish_feature_set(
            settings.artifacts,
            vectors=vectors,
            graph=item_graph(events, vectors.item_ids),
            encoders=fitted,
            sequences=user_sequences(events, cutoff=snapshots.cut, max_length=SEQUENCE_LENGTH),
            parents=key.parents,
            config={"sequence_length": SEQUENCE_LENGTH},
        )
        return EncodedItems(
            feature_set=published,
            unreadable=tuple(vectors.unreadable),
            health=dict(vectors.health),
            num_items=len(vectors),
            left_out=tuple(held - set(vectors.vectors)),
            item_vectors=content.digest,
        )

    encoded = run_once(key, EncodedItems, work, computes=True)
    create_table_artifact(
        key="modality-health",
        table=[{"modality": m} | asdict(health) for m, health in encoded.output.health.items()],
        description="Item vectors by modality: how many are missing, all zero, alike",
    )
    if encoded.output.left_out:
        warning_line(
            "categories and attributes say the same of nearly all items, so they are left out and the other modalities "
            "tell items apart. Give items categories of their own, or keep them with a higher --max-duplicate-share."
        )
    if content.vectors is not None and MODALITY not in encoded.output.health:
        tell_unused(content.vectors, fitted_before=encoders is not None)
    if encoded.output.unreadable:
        create_table_artifact(
            key="unreadable-files",
            table=[asdict(fault) for fault in encoded.output.unreadable],
            description="Files whose items go without that modality, and why",
        )
        tell_unreadable(encoded.output.unreadable)
    return encoded


@task(task_run_name="check-vectors")
def check_vectors(
    run: str, encoded: EncodedItems, limits: VectorLimits, called: str
) -> StageResult[CheckedVectors]:
    """Great Expectations over the item vectors: finite, of the encoder's width, not missing or alike in bulk."""
    key = key_of(
        check_vectors, "check vectors", run=run,
        reads={"feature_set": encoded.feature_set}, facts=asdict(limits),
    )  # fmt: skip

    def work() -> CheckedVectors:
        vectors = load_feature_set(encoded.feature_set).vectors
        found = check_item_vectors(
            vectors.item_ids.tolist(),
            vectors.vectors,
            vectors.present,
            gx_root=load_settings().gx_root,
            limits=limits,
            dims=encoder_dims(vectors.encoders),
            called=called,
            digest=encoded.feature_set.digest,
        )
        present = {modality: report.num_present for modality, report in found.modalities.items()}
        return CheckedVectors(data_docs=found.data_docs, present=present)

    return run_once(key, CheckedVectors, work)


@task(task_run_name="store-features", **TRIED_AGAIN)
def store_features(run: str, snapshots: Snapshots, encoded: EncodedItems) -> StageResult[StoredFeatures]:
    """Feast apply; sequences as of the cut and as of now; the latest of them online."""
    key = key_of(
        store_features, "store features", run=run,
        reads={"feature_set": encoded.feature_set, "train": snapshots.train, "now": snapshots.now},
        facts={"feast_home": addresses.identity(load_settings().feast_home), "length": SEQUENCE_LENGTH},
    )  # fmt: skip

    def work() -> StoredFeatures:
        built = load_feature_set(encoded.feature_set)
        items = snapshot.read_items(snapshots.train).set_index("item_id")
        opened = opening.open_store(load_settings().feast_home)
        opening.apply_definitions(opened, feature_set=built.digest)
        offline.write_user_sequences(opened.home, built.sequences())
        as_of_now = user_sequences(coded(snapshots.now), cutoff=snapshots.end, max_length=SEQUENCE_LENGTH)
        offline.write_user_sequences(opened.home, as_of_now)
        offline.write_item_vectors(
            opened.home,
            built.vectors,
            available_at=items.loc[built.vectors.item_ids, "available_at"].tolist(),
            known_at=snapshots.cut,
        )
        online.materialize(opened, end=snapshots.end)
        return StoredFeatures(users=len(as_of_now), as_of=snapshots.end)

    return run_once(key, StoredFeatures, work)


@task(task_run_name="refresh-features", **TRIED_AGAIN)
def refresh_features(run: str, known: ArtifactRef) -> StageResult[StoredFeatures]:
    """Everybody's sequence as of the end of `known`, a snapshot, unless it is online: what came since the last cycle.

    The feature set stays the one that is online: vectors and graph are those of the last training.
    """
    home = load_settings().feast_home
    key = key_of(
        refresh_features, "refresh features", run=run,
        reads={"now": known}, facts={"feast_home": addresses.identity(home), "length": SEQUENCE_LENGTH},
    )  # fmt: skip

    def work() -> StoredFeatures:
        facts, opened = snapshot.snapshot_facts(known), opening.open_store(home)
        if not offline.holds_sequences(opened.home, cutoff=facts.end, num_events=facts.num_events):
            rows = user_sequences(coded(known), cutoff=facts.end, max_length=SEQUENCE_LENGTH)
            offline.write_user_sequences(opened.home, rows)
        # where the file is there already: a load that failed after it was written is made up for
        online.materialize(opened, end=facts.end)
        return StoredFeatures(users=facts.num_users, as_of=facts.end)

    return run_once(key, StoredFeatures, work)


@task(task_run_name="read-training-rows", **TRIED_AGAIN)
def read_training_rows(
    run: str, snapshots: Snapshots, encoded: EncodedItems, tracked: tracking.TrackingRun,
    with_types: bool = False,
) -> StageResult[TrainingRows]:  # fmt: skip
    """The training set, from Feast: one row per user, as it was known at the cut, and the item vectors."""
    facts = {"feast_home": addresses.identity(load_settings().feast_home), "cut": snapshots.cut.isoformat()}
    key = key_of(
        read_training_rows, "training rows", run=run,
        reads={"feature_set": encoded.feature_set}, facts=facts | ({"event_types": "kept"} if with_types else {}),
    )  # fmt: skip

    def work() -> TrainingRows:
        built = load_feature_set(encoded.feature_set)
        users = read_sequences(built.folder, ["user_id"])["user_id"].to_numpy()
        spine = training_spine(users, snapshots.cut)
        with _tied_to(tracked):
            rows = retrieval.training_rows(
                opening.open_store(load_settings().feast_home, ties_runs=True), spine
            )
        opened = opening.open_store(load_settings().feast_home)  # the vectors are of another service
        vectors = retrieval.item_vector_rows(
            opened,
            built.vectors.item_ids,
            at=snapshots.cut - timedelta(microseconds=1),
            encoders=built.vectors.encoders,
        )
        ref = publish_training_set(
            load_settings().artifacts, rows=rows, vectors=vectors, parents=key.parents, with_types=with_types
        )
        return TrainingRows(training_set=ref, num_users=len(rows), cut=snapshots.cut)

    return run_once(key, TrainingRows, work)


def coded(ref: ArtifactRef) -> CodedEvents:
    """A snapshot's events as codes, read day by day. Raises ArtifactDamaged."""
    return code_events(snapshot.event_days(ref, columns=COLUMNS))


@contextmanager
def _tied_to(tracked: tracking.TrackingRun) -> Iterator[None]:
    """Feast tells the cycle's run in MLflow which feature service is read; an outage is said and costs nothing else."""
    with ExitStack() as inside:
        try:
            inside.enter_context(tracking.inside_run(tracked))
        except tracking.TrackingUnreachable as error:
            warning_line(f"MLflow does not know which feature service was read: {error}")
        yield
