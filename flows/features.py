"""Features: item vectors and user sequences of the training snapshot, published, and through Feast.

Encoders are fitted once and stay for as long as the tokenizer does, since IDs live in the space they make.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from prefect import flow, task
from prefect.artifacts import create_table_artifact
from rich.markup import escape

from components.artifact import ArtifactRef
from components.data import snapshot
from components.data.contracts.vector_check import VectorLimits, check_item_vectors
from components.features import encoding
from components.features.cache import VectorCache
from components.features.featureset import load_feature_set, publish_feature_set
from components.features.graph import item_graph
from components.features.sequences import training_spine, user_sequences
from components.features.store import offline, online, opening, retrieval
from components.features.trainingset import publish_training_set
from flows.console import console, progress_bar
from flows.settings import load_settings
from flows.source import open_source
from flows.stages import Outcome, run_once

SEQUENCE_LENGTH = 512  # events of a user that training and scoring may read


@flow(name="features")
def features(
    run: str, source: str, train: dict[str, str], window: dict[str, str], encoders: dict[str, str] | None
) -> tuple[Outcome, ...]:
    """Encode items, check the vectors, keep everything in Feast, read the training rows back from it."""
    encoded = encode_items(run, source, train, encoders)
    checked = check_vectors(run, encoded.output["feature_set"])
    stored = store_features(run, train, window, encoded.output["feature_set"])
    rows = read_training_rows(run, train, encoded.output["feature_set"])
    return encoded, checked, stored, rows


@task
def encode_items(run: str, source: str, train: dict[str, str], encoders: dict[str, str] | None) -> Outcome:
    """Text, image, audio and metadata vectors of the items known at the cut; graph and sequences beside them."""
    settings = load_settings()

    def work() -> dict[str, Any]:
        ref = ArtifactRef(**train)
        items, events = snapshot.read_items(ref), snapshot.read_events(ref)
        root = open_source(source, settings).media_root
        if encoders:
            fitted = load_feature_set(ArtifactRef(**encoders)).encoders
        else:
            fitted = encoding.fit_encoders(items, encoding.EncoderConfig(), root=root)
        with progress_bar("encode items") as on_step:
            vectors = encoding.encode(
                fitted, items, root=root, cache=VectorCache(settings.home / "vectors"), on_step=on_step
            )
        published = publish_feature_set(
            settings.artifacts,
            vectors=vectors,
            graph=item_graph(events, vectors.item_ids),
            encoders=fitted,
            sequences=user_sequences(events, cutoff=_end(train), max_length=SEQUENCE_LENGTH),
            parents={"snapshot": ref.digest} | ({"encoders": encoders["digest"]} if encoders else {}),
            config={"sequence_length": SEQUENCE_LENGTH},
        )
        return {
            "feature_set": published.to_dict(),
            "unreadable": [vars(fault) for fault in vectors.unreadable],
            "health": [{"modality": m} | h.to_dict() for m, h in vectors.health.items()],
            "note": f"{len(vectors):,} items: {', '.join(vectors.modalities)}",
        }

    outcome = run_once(
        "encode items",
        run=run,
        inputs={"snapshot": train["digest"], "encoders": encoders["digest"] if encoders else None},
        config={"sequence_length": SEQUENCE_LENGTH, **encoding.EncoderConfig().to_dict()},
        rooms=("features",),
        work=work,
    )
    create_table_artifact(key="modality-health", table=outcome.output["health"])
    if unreadable := outcome.output["unreadable"]:
        create_table_artifact(key="unreadable-files", table=unreadable)
        _tell_unreadable(unreadable)
    return outcome


@task
def check_vectors(run: str, feature_set: dict[str, str]) -> Outcome:
    """Great Expectations over the item vectors: finite, of one width, not all alike."""

    def work() -> dict[str, Any]:
        vectors = load_feature_set(ArtifactRef(**feature_set)).vectors
        found = check_item_vectors(
            vectors.item_ids.tolist(),
            vectors.vectors,
            vectors.present,
            gx_root=load_settings().gx_root,
            limits=VectorLimits(),
        )
        told = [f"{m} {report.num_present:,}" for m, report in found.modalities.items()]
        return {"data_docs": found.data_docs, "note": ", ".join(told)}

    return run_once(
        "check vectors",
        run=run,
        inputs={"feature_set": feature_set["digest"]},
        config={},
        rooms=("data",),
        work=work,
    )


@task
def store_features(
    run: str, train: dict[str, str], window: dict[str, str], feature_set: dict[str, str]
) -> Outcome:
    """Feast apply; sequences as of the cut and as of now; the latest of them online."""

    def work() -> dict[str, Any]:
        cut, now = _end(train), _end(window)
        built = load_feature_set(ArtifactRef(**feature_set))
        items = snapshot.read_items(ArtifactRef(**train)).set_index("item_id")
        opened = opening.open_store(load_settings().feast_home)
        opening.apply_definitions(opened, feature_set=built.digest)
        offline.write_user_sequences(opened.home, built.sequences)
        events = pd.concat([snapshot.read_events(ArtifactRef(**ref)) for ref in (train, window)])
        as_of_now = user_sequences(events, cutoff=now, max_length=SEQUENCE_LENGTH)
        offline.write_user_sequences(opened.home, as_of_now)
        offline.write_item_vectors(
            opened.home,
            built.vectors,
            available_at=items.loc[built.vectors.item_ids, "available_at"].tolist(),
            known_at=cut,
        )
        online.materialize(opened, end=now)
        return {"users": len(as_of_now), "note": f"{len(as_of_now):,} users online as of {now:%Y-%m-%d}"}

    return run_once(
        "store features",
        run=run,
        inputs={"feature_set": feature_set["digest"], "train": train["digest"], "window": window["digest"]},
        config={"feast_home": str(load_settings().feast_home), "length": SEQUENCE_LENGTH},
        rooms=("features",),
        work=work,
    )


@task
def read_training_rows(run: str, train: dict[str, str], feature_set: dict[str, str]) -> Outcome:
    """The training set, from Feast: one row per user, as it was known at the cut, and the item vectors."""

    def work() -> dict[str, Any]:
        cut = _end(train)
        built = load_feature_set(ArtifactRef(**feature_set))
        opened = opening.open_store(load_settings().feast_home)
        rows = retrieval.training_rows(opened, training_spine(built.sequences["user_id"].to_numpy(), cut))
        vectors = retrieval.item_vector_rows(
            opened,
            built.vectors.item_ids,
            at=cut - timedelta(microseconds=1),
            encoders=built.vectors.encoders,
        )
        ref = publish_training_set(
            load_settings().artifacts, rows=rows, vectors=vectors, parents={"feature_set": built.digest}
        )
        return {
            "training_set": ref.to_dict(),
            "note": f"{len(rows):,} users, point in time at {cut:%Y-%m-%d}",
        }

    return run_once(
        "training rows",
        run=run,
        inputs={"feature_set": feature_set["digest"]},
        config={"feast_home": str(load_settings().feast_home)},
        rooms=("features",),
        work=work,
    )


def _tell_unreadable(faults: list[dict[str, str]]) -> None:
    """Name the first of them; their items go without that modality."""
    first = faults[0]
    console.print(
        f"    [yellow]{len(faults)} files could not be read, and their items go without[/yellow]; first is "
        f"{escape(first['path'])} of item {escape(first['item_id'])}: {escape(first['why'])}. Replace the file; "
        "the next batch encodes it."
    )


def _end(ref: dict[str, str]) -> datetime:
    return snapshot.snapshot_facts(ArtifactRef(**ref)).end
