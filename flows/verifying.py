"""A registered version held against its record: what lies there, and what comes out when its data is made again.

Everything that is made again is made in a scratch folder with a feature store of its own; warehouse, artifacts,
store and registry are read only. Snapshot, feature set, training set and bundle are the same to the byte whenever
and wherever they are made of the same rows; what is trained is made again by `flows.retrained`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from components.artifact import ArtifactRef
from components.data import origins, snapshot
from components.data.erased_users import any_erased
from components.features.coded_events import COLUMNS, code_events
from components.features.featureset import load_feature_set, publish_feature_set
from components.features.graph import item_graph
from components.features.sequences import training_spine, user_sequences
from components.features.store import offline, opening, retrieval
from components.features.store.addresses import on_files
from components.features.trainingset import keeps_types, publish_training_set
from components.registry.bundle import Bundle, build_bundle
from components.registry.lineage import claims_of
from components.registry.verification import (
    Finding,
    Stored,
    checked_batches,
    checked_claims,
    checked_code,
    compared,
    missing,
)
from flows.checkout import commit_now
from flows.settings import load_settings
from flows.stage_code import code_of
from flows.version_chain import Chain
from flows.warehouse import warehouse

OTHER_ROWS = "the warehouse does not tell today what it told then"


def verify(chain: Chain, scratch: Path) -> Iterator[Finding]:
    """Findings on what is stored and on what is made again, as they come. Raises TrackingUnreachable."""
    settings = load_settings()
    yield from chain.looked_up
    claims = claims_of(settings.model_name, chain.version)
    yield from checked_claims(claims, chain.bundle)
    yield from checked_code(claims, code=code_of("flows.training", "train_arm").digest, commit=commit_now())
    engine = warehouse()
    yield from checked_batches(
        settings.artifacts,
        origins.batches_of_snapshot(engine, _now_of(chain.snapshot, chain.bundle.facts.snapshot)),
        origins.events_of_batches(engine),
        has_erased=any_erased(engine),
    )
    yield from (part.finding for part in chain.parts)
    if chain.training_set is None:
        yield missing("training set", "", "no training set of this feature set is left")
    if chain.arm is None:
        yield missing("arm", "", "no arm with the bundle's weights is left; the bundle holds them")
    yield from made_again(chain, scratch)


def made_again(chain: Chain, scratch: Path) -> Iterator[Finding]:
    """Snapshot from the warehouse, feature set and training set from that, and the bundle around the arm's weights."""
    facts = chain.bundle.facts
    if chain.is_erased:
        yield from _without_the_erased(chain, scratch)
        return
    taken = _snapshot_again(chain, scratch)
    yield compared(_again("snapshot"), facts.snapshot, taken.digest, note=OTHER_ROWS)
    if (features := chain.feature_set.original) is None:
        yield missing(_again("feature set"), facts.feature_set)
    else:
        built = _feature_set_again(features, taken, datetime.fromisoformat(facts.train_end), scratch)
        yield compared(
            _again("feature set"), facts.feature_set, built.digest, note="sequences or graph came out otherwise",
            note_if_same="sequences and graph from the snapshot; item vectors as they are stored",
        )  # fmt: skip
        if chain.training_set is not None and (rows := chain.training_set.original) is not None:
            train_end, types = datetime.fromisoformat(facts.train_end), keeps_types(rows)
            with on_files():  # production's registry keeps its definitions
                again = _training_set_again(built, taken, train_end, scratch, with_types=types)
            yield compared(
                _again("training set"), rows.digest, again.digest, note="other rows came out of Feast",
                note_if_same="through a feature store of its own",
            )  # fmt: skip
    bundled = bundle_again(chain.bundle, taken, scratch, chain.bundle.arm_path)
    yield compared(
        _again("bundle"), chain.bundle.digest, bundled.digest, note="titles or categories are others today",
        note_if_same="its arm and tokenizer with the snapshot's items",
    )  # fmt: skip


def _without_the_erased(chain: Chain, scratch: Path) -> Iterator[Finding]:
    """The day files of the snapshot that took the place of the one on record; what hangs on it cannot be made again."""
    facts, stage = chain.bundle.facts, _again("snapshot")
    if (now := chain.snapshot.artifact) is None:
        yield missing(stage, facts.snapshot)
    else:
        taken = _snapshot_again(chain, scratch)
        days, again = ((Path(ref.path) / snapshot.PARTITIONS).read_text() for ref in (now, taken))
        yield Finding(
            stage=stage, recorded=facts.snapshot, found=taken.digest,
            verdict="erased" if days == again else "differs",
            note="its day files are those that the erasure left" if days == again else OTHER_ROWS,
        )  # fmt: skip
    told = "made of rows of a user who was erased since: it cannot be made again, and need not be"
    yield Finding(
        stage=_again("feature set"), recorded=facts.feature_set, found="", verdict="erased", note=told
    )


def bundle_again(bundle: Bundle, taken: ArtifactRef, scratch: Path, arm: Path) -> ArtifactRef:
    """The bundle around an arm's files, with the items of a snapshot."""
    tokenizer = bundle.tokenizer_path
    return build_bundle(
        scratch / "artifacts",
        write_arm=lambda folder: _copy(arm, folder),
        write_tokenizer=None if tokenizer is None else lambda folder: _copy(tokenizer, folder),
        items=snapshot.read_items(taken),
        facts=bundle.facts,
    )


def _now_of(part: Stored, digest: str) -> str:
    """The digest under which the warehouse knows it now."""
    return part.artifact.digest if part.artifact is not None else digest


def _snapshot_again(chain: Chain, scratch: Path) -> ArtifactRef:
    train_end = datetime.fromisoformat(chain.bundle.facts.train_end)
    kept = chain.snapshot.artifact
    facts = snapshot.snapshot_facts(kept) if kept is not None else None
    return snapshot.rebuild_snapshot(
        warehouse(), scratch / "artifacts",
        start=facts.start if facts else None, end=facts.end if facts else train_end,
        known_by=facts.known_by if facts else None,
    )  # fmt: skip


def _feature_set_again(
    features: ArtifactRef, taken: ArtifactRef, cut: datetime, scratch: Path
) -> ArtifactRef:
    kept = load_feature_set(features)
    config: dict[str, Any] = {k: v for k, v in kept.manifest["config"].items() if k != "encoders"}
    events = code_events(snapshot.event_days(taken, columns=COLUMNS))
    return publish_feature_set(
        scratch / "artifacts",
        vectors=kept.vectors,
        graph=item_graph(events, kept.vectors.item_ids),
        encoders=kept.encoders,
        sequences=user_sequences(events, cutoff=cut, max_length=config["sequence_length"]),
        parents=kept.manifest["parents"] | {"snapshot": taken.digest},
        config=config,
    )


def _training_set_again(
    built: ArtifactRef, taken: ArtifactRef, cut: datetime, scratch: Path, *, with_types: bool
) -> ArtifactRef:
    """As the cycle reads it: written to Feast's offline store, and joined as of the cut."""
    made = load_feature_set(built)
    items = snapshot.read_items(taken).set_index("item_id")
    opened = opening.open_store(scratch / "feast")
    opening.apply_definitions(opened, feature_set=made.digest)
    sequences = made.sequences()
    offline.write_user_sequences(opened.home, sequences)
    offline.write_item_vectors(
        opened.home,
        made.vectors,
        available_at=items.loc[made.vectors.item_ids, "available_at"].tolist(),
        known_at=cut,
    )
    rows = retrieval.training_rows(opened, training_spine(sequences["user_id"].to_numpy(), cut))
    vectors = retrieval.item_vector_rows(
        opened,
        made.vectors.item_ids,
        at=cut - timedelta(microseconds=1),
        encoders=made.vectors.encoders,
    )
    parents = {"feature_set": built.digest}
    return publish_training_set(
        scratch / "artifacts", rows=rows, vectors=vectors, parents=parents, with_types=with_types
    )


def _copy(source: Path, folder: Path) -> None:
    shutil.copytree(source, folder, dirs_exist_ok=True)


def _again(stage: str) -> str:
    return f"{stage}, made again"
