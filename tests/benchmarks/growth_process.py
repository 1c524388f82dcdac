"""One stage of `growth` on a prepared home, in a process of its own: a line of figures.

    python -m tests.benchmarks.growth_process STAGE HOME

Imports are outside of the time, and inside of the memory. What a stage leaves lies under the home for the next one.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks.growth_floors import duckdb_scan, duckdb_sequences, pandas_sequences
from tests.benchmarks.growth_source import DAILY_END, END, num_items
from tests.benchmarks.peak_memory import peak_mb

Work = Callable[[], dict[str, Any]]


def main() -> None:
    stage, home = sys.argv[1], Path(sys.argv[2])
    work = STAGES[stage](home)
    loaded, wall, cpu = peak_mb(), time.perf_counter(), _cpu()
    told = work()
    figures = {"wall_s": time.perf_counter() - wall, "cpu_s": _cpu() - cpu, "peak_mb": peak_mb()}
    print(json.dumps(figures | {"loaded_mb": loaded, **told}))


def _cpu() -> float:
    """Of this process and of those it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _end(home: Path) -> datetime:
    return DAILY_END if (home / "daily-filled").exists() else END


def _keep(home: Path, name: str, ref: Any) -> None:
    (home / f"{name}.json").write_text(json.dumps(ref.to_dict()))


def _kept(home: Path, name: str) -> Any:
    from components.artifact import ArtifactRef

    return ArtifactRef(**json.loads((home / f"{name}.json").read_text()))


def ingest(home: Path) -> Work:
    """The source, or the day more, through its contracts into a warehouse of its own, as the flow `ingest` does."""
    from components.data import queries
    from components.data.contracts import expectations  # noqa: F401 - Great Expectations, which a check imports late
    from components.data.contracts.batch_check import ContractConfig, check_batch
    from components.data.ingest import land_batch
    from components.data.sources.opening import open_source
    from components.data.warehouse import open_warehouse

    engine, source = open_warehouse(f"sqlite:///{home}/landed.db"), home / "source"
    if _end(home) == DAILY_END:  # under the same name, which is the dataset's
        day, source = source / "daily", home / "day" / "source"
        source.mkdir(parents=True)
        shutil.copy(day / "events.parquet", source)
        (source / "recloop.yaml").write_text("items: known\n")

    def work() -> dict[str, Any]:
        batch = open_source(str(source), home=home).read(None, None)
        found = check_batch(
            batch, as_of=_end(home), known_items=queries.item_ids(engine), gx_root=home / "gx",
            config=ContractConfig(), since=None,
        )  # fmt: skip
        del batch  # landing is a stage of its own, which reads what was checked
        return {"rows": land_batch(engine, found).accepted}

    return work


def snapshot(home: Path) -> Work:
    from components.data.snapshot import snapshot_facts, take_snapshot
    from components.data.warehouse import open_warehouse

    engine = open_warehouse(f"sqlite:///{home}/warehouse.db")

    def work() -> dict[str, Any]:
        ref = take_snapshot(engine, home / "artifacts", end=_end(home))
        _keep(home, "snapshot", ref)
        return {"rows": snapshot_facts(ref).num_events, "digest": ref.digest}

    return work


def sequences(home: Path) -> Work:
    """Everybody's sequence as of the snapshot's end, in memory."""
    from components.data.snapshot import event_days
    from components.features.coded_events import COLUMNS, code_events
    from components.features.sequences import user_sequences

    def work() -> dict[str, Any]:
        events = code_events(event_days(_kept(home, "snapshot"), columns=COLUMNS))
        return {"rows": len(user_sequences(events, cutoff=_end(home)))}

    return work


def feature_set(home: Path) -> Work:
    """What `encode items` does: vectors, graph and sequences of a snapshot, published."""
    from components.data.snapshot import event_days, read_items
    from components.features.coded_events import COLUMNS, code_events
    from components.features.encoding import EncoderConfig, encode, fit_encoders
    from components.features.featureset import publish_feature_set
    from components.features.graph import item_graph
    from components.features.sequences import user_sequences

    def work() -> dict[str, Any]:
        taken = _kept(home, "snapshot")
        items, events = read_items(taken), code_events(event_days(taken, columns=COLUMNS))
        fitted = fit_encoders(items, EncoderConfig(modalities=("metadata",)), root=None)
        vectors = encode(fitted, items, root=None)
        ref = publish_feature_set(
            home / "artifacts",
            vectors=vectors,
            graph=item_graph(events, vectors.item_ids),
            encoders=fitted,
            sequences=user_sequences(events, cutoff=_end(home)),
            parents={"snapshot": taken.digest},
            config={"sequence_length": 512},
        )
        _keep(home, "feature_set", ref)
        return {"rows": len(vectors), "digest": ref.digest}

    return work


def offline(home: Path) -> Work:
    """Sequences and vectors of the feature set into the files behind Feast's offline store."""
    from components.data.snapshot import read_items
    from components.features.featureset import load_feature_set
    from components.features.store import offline as files
    from components.features.store.opening import apply_definitions, open_store

    store = open_store(home / "feast")

    def work() -> dict[str, Any]:
        built = load_feature_set(_kept(home, "feature_set"))
        apply_definitions(store, feature_set=built.digest)
        items = read_items(_kept(home, "snapshot")).set_index("item_id")
        rows = built.sequences()
        files.write_user_sequences(store.home, rows)
        available = items.loc[built.vectors.item_ids, "available_at"].tolist()
        files.write_item_vectors(store.home, built.vectors, available_at=available, known_at=_end(home))
        return {"rows": len(rows)}

    return work


def materialize(home: Path) -> Work:
    """Everybody's sequence into Feast's online store."""
    from components.features.store import online
    from components.features.store.opening import open_store

    store = open_store(home / "feast")

    def work() -> dict[str, Any]:
        online.materialize(store, end=_end(home))
        return {}

    return work


def retrieval(home: Path) -> Work:
    """The training set out of Feast's point-in-time joins, published."""
    from components.features.featureset import load_feature_set, read_sequences
    from components.features.sequences import training_spine
    from components.features.store.opening import open_store
    from components.features.store.retrieval import item_vector_rows, training_rows
    from components.features.trainingset import publish_training_set

    store = open_store(home / "feast")

    def work() -> dict[str, Any]:
        built = load_feature_set(_kept(home, "feature_set"))
        users = read_sequences(built.folder, ["user_id"])["user_id"].to_numpy()
        rows = training_rows(store, training_spine(users, _end(home)))
        vectors = item_vector_rows(
            store,
            built.vectors.item_ids,
            at=_end(home) - timedelta(microseconds=1),
            encoders=built.vectors.encoders,
        )
        ref = publish_training_set(home / "artifacts", rows=rows, vectors=vectors, parents={})
        _keep(home, "training_set", ref)
        return {"rows": len(rows), "digest": ref.digest}

    return work


def training_set(home: Path) -> Work:
    """Read back as training reads it."""
    from components.features.trainingset import load_training_set

    def work() -> dict[str, Any]:
        read = load_training_set(_kept(home, "training_set"))
        return {"rows": len(read.sequences["item_ids"].combine_chunks().flatten())}

    return work


def scoring(home: Path) -> Work:
    """Everybody's list by an untrained model of the default arm: parquet, warehouse, online store."""
    from components.data.warehouse import open_warehouse
    from components.features.store.lists import make_lists_ready
    from components.features.store.opening import open_store
    from components.registry.versions import require_champion
    from components.serving.batch import BatchRun
    from components.serving.loaded import load_version
    from tests.benchmarks.batch_scoring_process import score_and_serve
    from tests.benchmarks.growth_champion import register_champion

    register_champion(home, num_items(json.loads((home / "size.json").read_text())))
    version = load_version(require_champion("scored"), artifacts=home / "fetched", available_since={})
    store, engine = open_store(home / "feast"), open_warehouse(f"sqlite:///{home}/lists.db")
    make_lists_ready(store)

    def work() -> dict[str, Any]:
        run = BatchRun(
            run="growth", model_version="1", bundle=version.digest, feature_set="f" * 64, k=10,
            exclude_seen=version.excludes_seen, users_at_once=4096,
        )  # fmt: skip
        num_users, marks = score_and_serve(version, run, store, engine, home)
        of_warehouse, online = (b - a for a, b in pairwise(marks[1:]))
        return {"rows": num_users, "warehouse_cpu_s": of_warehouse, "online_cpu_s": online}

    return work


STAGES: dict[str, Callable[[Path], Work]] = {
    stage.__name__: stage
    for stage in (
        ingest, snapshot, sequences, feature_set, offline, materialize, retrieval, training_set, scoring,
        duckdb_scan, duckdb_sequences, pandas_sequences,
    )
}  # fmt: skip


if __name__ == "__main__":
    main()
