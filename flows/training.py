"""Semantic IDs, then arms: each published, so that the artifact that is replayed is the one registered."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from prefect import task
from prefect.artifacts import create_table_artifact

from components.artifact import ArtifactRef, digest_of, publish, verified
from components.data import snapshot
from components.features.featureset import load_feature_set
from components.features.trainingset import TrainingSet, load_training_set
from components.recommender.arm import READ_CODES, Arm, ChallengerName
from components.recommender.challengers import train_challenger
from components.recommender.compute import Compute
from components.recommender.popularity import fit_popularity, fit_recent_popularity
from components.recommender.random_order import RandomArm
from components.recommender.sequences import TrainingSequences
from components.recommender.training import Step
from components.registry import bundle, tracking
from components.registry.bundle import HEALTH
from components.tokenizer import config as tokenizer_presets
from components.tokenizer import fit as tokenizer_fit
from components.tokenizer import ids as semantic_ids
from components.tokenizer.health import HealthLimits, check_health
from components.tokenizer.stability import check_stability, stability
from components.tokenizer.tokenizer import load_tokenizer
from flows.console import progress_bar
from flows.request import CycleRequest
from flows.settings import load_settings
from flows.stages import Outcome, code_digest, run_once

BASELINES = ("popularity", "recent_popularity", "random")
_RANDOM_SEED = 7
_IDS_FILE = "semantic_ids.parquet"


@task
def fit_tokenizer(
    run: str,
    train: dict[str, str],
    training_set: dict[str, str],
    feature_set: dict[str, str],
    preset: str,
    seed: int,
    previous: dict[str, str] | None,
) -> Outcome:
    """A new tokenizer, and the ID table that begins with it. A collapsed codebook stops the run here.

    `previous` is the ID table of the version before, if there is one: how much of it is left is told.
    """
    made = tokenizer_presets.quick() if preset == "quick" else tokenizer_presets.default()
    config = replace(made, seed=seed)

    def work() -> dict[str, Any]:
        data = load_training_set(ArtifactRef(**training_set))
        graph = load_feature_set(ArtifactRef(**feature_set)).graph
        with progress_bar("fit tokenizer") as bar:
            fitted = tokenizer_fit.fit_tokenizer(
                data.vectors,
                data.present,
                np.stack([graph.user_index, graph.item_index]),
                num_users=graph.num_users,
                config=config,
                on_step=lambda stage, step, steps, loss: bar(step + 1, steps, {stage: loss}),
                categories=_categories(train, data.item_ids),
            )
        check_health(fitted.health, HealthLimits())
        popularity = np.bincount(graph.item_index, minlength=graph.num_items)
        table = semantic_ids.with_collision_tokens(data.item_ids, fitted.codes, popularity)
        kept = stability(_read_ids(previous), table) if previous else None
        if kept:
            check_stability(kept, HealthLimits())
        figures = fitted.health.metrics() | (kept.metrics() if kept else {})

        def write(folder: Path) -> None:
            fitted.tokenizer.save(folder)
            (folder / HEALTH).write_text(json.dumps(figures, indent=1, sort_keys=True))

        parents = {"training_set": training_set["digest"], "feature_set": feature_set["digest"]}
        tokenizer = publish(
            load_settings().artifacts,
            "tokenizer",
            write,
            parents=parents | ({"previous_ids": previous["digest"]} if previous else {}),
            config={"preset": preset, "seed": seed},
        )
        return {
            "tokenizer": tokenizer.to_dict(),
            "ids": _publish_ids(table, tokenizer, fitted.tokenizer.table_sizes(table)).to_dict(),
            "encoders": feature_set,  # whose space the IDs live in
            "health": figures,
            "new_ids": len(table.item_ids),
            "note": "; ".join([fitted.health.summary(), *([kept.summary()] if kept else [])]),
        }

    outcome = run_once(
        "fit tokenizer",
        run=run,
        inputs={
            "training_set": training_set["digest"],
            "feature_set": feature_set["digest"],
            "previous_ids": previous["digest"] if previous else None,
        },
        config={"preset": preset, "seed": seed},
        rooms=("tokenizer",),
        work=work,
    )
    create_table_artifact(key="codebook-health", table=[outcome.output["health"]])
    return outcome


@task
def extend_ids(
    run: str, training_set: dict[str, str], feature_set: dict[str, str], carried: dict[str, Any]
) -> Outcome:
    """The frozen tokenizer gives IDs to items that have none; every ID that exists stays as it is."""

    def work() -> dict[str, Any]:
        data = load_training_set(ArtifactRef(**training_set))
        graph = load_feature_set(ArtifactRef(**feature_set)).graph
        verified(carried["tokenizer"]["path"])
        known = _read_ids(carried["ids"])
        tokenizer = load_tokenizer(Path(carried["tokenizer"]["path"]))
        place = {item: row for row, item in enumerate(known.item_ids[: len(tokenizer.factors)])}
        codes = tokenizer.assign(
            data.vectors,
            data.present,
            np.stack([graph.user_index, graph.item_index]),
            num_users=graph.num_users,
            fitted_rows=np.array([place.get(item, -1) for item in data.item_ids], dtype=np.int64),
        )
        is_new = ~np.isin(data.item_ids, known.item_ids)
        table = semantic_ids.append(known, data.item_ids[is_new], codes[is_new])
        return {
            "tokenizer": carried["tokenizer"],
            "ids": _publish_ids(
                table, ArtifactRef(**carried["tokenizer"]), tokenizer.table_sizes(table)
            ).to_dict(),
            "encoders": carried["encoders"],
            "new_ids": int(is_new.sum()),
            "note": f"{int(is_new.sum())} new IDs beside {len(known.item_ids):,} that stay",
        }

    return run_once(
        "extend ids",
        run=run,
        inputs={
            "training_set": training_set["digest"],
            "feature_set": feature_set["digest"],
            "tokenizer": carried["tokenizer"]["digest"],
            "ids": carried["ids"]["digest"],
        },
        config={},
        rooms=("tokenizer",),
        work=work,
    )


@task(task_run_name="train-{arm}")
def train_arm(
    run: str,
    arm: ChallengerName,
    training_set: dict[str, str],
    ids: dict[str, str],
    preset: str,
    seed: int,
    curve_run: Any,
) -> Outcome:
    """Train one arm on the training set; its loss is drawn in MLflow while it learns.

    A training that was cut off goes on after the last epoch it finished.
    """
    settings = load_settings()
    inputs = {"training_set": training_set["digest"], "ids": ids["digest"] if arm in READ_CODES else None}
    config = {
        "preset": preset,
        "seed": seed,
        "threads": settings.threads,
        "device": settings.device,
        "precision": settings.precision,
        "compile": settings.compile,
    }
    name = digest_of({"inputs": inputs, "config": config, "code": code_digest("recommender")})[:16]
    checkpoint = settings.home / "checkpoints" / f"{arm}-{name}.pt"

    def work() -> dict[str, Any]:
        data = load_training_set(ArtifactRef(**training_set))
        table, table_sizes = _read_ids(ids), verified(ids["path"])["config"]["table_sizes"]
        with _watched(f"train {arm}", curve_run, arm) as on_step:
            trained = _train(arm, data, table, table_sizes, preset, seed, on_step, checkpoint)
        ref = _publish_arm(
            trained, {"training_set": training_set["digest"], "ids": ids["digest"]}, preset, seed
        )
        return {"name": arm, "arm": ref.to_dict()}

    outcome = run_once(
        f"train {arm}", run=run, inputs=inputs, config=config, rooms=("recommender",), work=work
    )
    checkpoint.unlink(missing_ok=True)
    return outcome


@task
def train_baselines(run: str, train: dict[str, str]) -> Outcome:
    """All-time and recent popularity, counted before the cut, and the random arm: they stand in every replay."""

    def work() -> dict[str, Any]:
        events = snapshot.read_events(ArtifactRef(**train))
        items = events["item_id"].to_numpy(dtype=object)
        times = events["timestamp"].dt.as_unit("s").astype("int64").to_numpy()
        cutoff = int(snapshot.snapshot_facts(ArtifactRef(**train)).end.timestamp())
        arms: tuple[Arm, ...] = (
            fit_popularity(items),
            fit_recent_popularity(items[times < cutoff], times[times < cutoff], cutoff=cutoff),
            RandomArm(seed=_RANDOM_SEED),
        )
        parents = {"snapshot": train["digest"]}
        return {arm.name: _publish_arm(arm, parents, "default", 0).to_dict() for arm in arms}

    return run_once(
        "count popularity",
        run=run,
        inputs={"snapshot": train["digest"]},
        config={},
        rooms=("recommender",),
        work=work,
    )


@task
def bundle_challenger(
    run: str,
    request: CycleRequest,
    train: dict[str, str],
    feature_set: dict[str, str],
    ids: dict[str, Any],
    arm: dict[str, str],
) -> Outcome:
    """Arm, tokenizer, ID table and titles as one artifact: what is replayed, registered and served."""
    has_ids = request.challenger in READ_CODES

    def work() -> dict[str, Any]:
        items = snapshot.read_items(ArtifactRef(**train))
        facts = bundle.BundleFacts(
            arm=request.challenger,
            train_end=snapshot.snapshot_facts(ArtifactRef(**train)).end.isoformat(),
            snapshot=train["digest"],
            feature_set=feature_set["digest"],
            tokenizer=ids["tokenizer"]["digest"] if has_ids else None,
            id_table=ids["ids"]["digest"] if has_ids else None,
            seed=request.seed,
            code=code_digest("recommender"),
        )
        ref = bundle.build_bundle(
            load_settings().artifacts,
            write_arm=_copy_of(arm),
            write_tokenizer=_copies_of(ids["tokenizer"], ids["ids"]) if has_ids else None,
            items=items,
            facts=facts,
        )
        return {"bundle": ref.to_dict(), "note": ref.digest[:12]}

    return run_once(
        "bundle",
        run=run,
        inputs={
            "arm": arm["digest"],
            "tokenizer": ids["tokenizer"]["digest"],
            "ids": ids["ids"]["digest"],
            "snapshot": train["digest"],
            "feature_set": feature_set["digest"],
        },
        config={"challenger": request.challenger, "seed": request.seed, "code": code_digest("recommender")},
        rooms=("registry",),
        work=work,
    )


def _train(
    arm: ChallengerName,
    data: TrainingSet,
    table: semantic_ids.SemanticIds,
    table_sizes: list[int],
    preset: str,
    seed: int,
    on_step: Callable[[Step], None],
    checkpoint: Path,
) -> Arm:
    order = np.argsort(table.item_ids, kind="stable")
    sequences = TrainingSequences.from_lists(data.item_lists, data.time_lists, item_ids=table.item_ids[order])
    settings = load_settings()
    return train_challenger(
        arm,
        sequences,
        table.codes[order],
        table_sizes,
        quick=preset == "quick",
        seed=seed,
        compute=Compute(device=settings.device, precision=settings.precision, compile=settings.compile),
        on_step=on_step,
        checkpoint=checkpoint,
    )


@contextmanager
def _watched(what: str, curve_run: tracking.TrackingRun, prefix: str) -> Iterator[Callable[[Step], None]]:
    """A bar on the terminal and a curve in MLflow."""
    with progress_bar(what) as bar, tracking.training_curve(curve_run, prefix) as curve:

        def on_step(step: Step) -> None:
            figures = {"loss": step.loss}
            if step.validation_ndcg is not None:
                figures["validation_ndcg"] = step.validation_ndcg
            bar(step.step, step.num_steps, figures)
            curve.on_step(step.step, step.num_steps, figures)

        yield on_step


def _publish_arm(arm: Arm, parents: dict[str, str], preset: str, seed: int) -> ArtifactRef:
    config = {"name": arm.name, "preset": preset, "seed": seed}
    return publish(load_settings().artifacts, "arm", arm.save, parents=parents, config=config)


def _categories(train: dict[str, str], item_ids: np.ndarray) -> list[tuple[str, ...]] | None:
    """Of each item, as the snapshot states them; None where no item has any."""
    joined = snapshot.read_items(ArtifactRef(**train)).set_index("item_id")["categories"].reindex(item_ids)
    told = [tuple(own.split("|")) if isinstance(own, str) else () for own in joined]
    return told if any(told) else None


def _read_ids(ids: dict[str, str]) -> semantic_ids.SemanticIds:
    verified(ids["path"])
    return semantic_ids.read_ids(Path(ids["path"]) / _IDS_FILE)


def _publish_ids(
    table: semantic_ids.SemanticIds, tokenizer: ArtifactRef, table_sizes: list[int]
) -> ArtifactRef:
    """`table_sizes`, for whoever builds a model on these IDs, stand in the manifest's config."""
    return publish(
        load_settings().artifacts,
        "id_table",
        lambda folder: semantic_ids.write_ids(table, folder / _IDS_FILE),
        parents={"tokenizer": tokenizer.digest},
        config={"num_items": len(table.item_ids), "table_sizes": table_sizes},
    )


def _copy_of(ref: dict[str, str]) -> Callable[[Path], None]:
    """Write a published artifact's files into a folder, its manifest left behind."""

    def write(folder: Path) -> None:
        for name in verified(ref["path"])["files"]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(ref["path"]) / name, folder / name)

    return write


def _copies_of(*refs: dict[str, str]) -> Callable[[Path], None]:
    """Each artifact whole, with its manifest, in a folder of its kind: the bundle checks their digests."""

    def write(folder: Path) -> None:
        for ref in refs:
            verified(ref["path"])
            shutil.copytree(ref["path"], folder / ref["kind"])

    return write
