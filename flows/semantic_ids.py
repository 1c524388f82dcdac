"""Semantic IDs of a cycle: a tokenizer is fitted, or the one before gives IDs to new items, and to cold ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prefect import task
from prefect.artifacts import create_table_artifact

from components.artifact import ArtifactRef, verified
from components.data import snapshot
from components.features.featureset import load_feature_set
from components.features.trainingset import load_training_set
from components.recommender.names import PresetName
from components.registry.metric_names import ids_meaning, ids_metric
from components.tokenizer.choices import health_limits, size_of, tokenizer_config
from components.tokenizer.cold import cold_table, publish_cold_ids
from components.tokenizer.extension import extend_table
from components.tokenizer.fit import fit_tokenizer as fit
from components.tokenizer.id_table import publish_id_table, read_id_table
from components.tokenizer.names import BASELINE, TokenizerName
from components.tokenizer.tokenizer import Tokenizer, load_tokenizer
from components.tokenizer.version import begin_version, publish_tokenizer
from flows.carried import CarriedIds
from flows.features import EncodedItems, TrainingRows
from flows.item_content import content_of
from flows.local.console import progress_bar
from flows.settings import load_settings
from flows.snapshots import Snapshots
from flows.stages import StageResult, key_of, run_once


@dataclass(frozen=True, kw_only=True)
class IdentifiedItems:
    """The ID table of this cycle, the tokenizer that gave it, and the encoders in whose space it lives."""

    encoders: ArtifactRef  # a feature set
    tokenizer: ArtifactRef
    ids: ArtifactRef
    name: TokenizerName
    new_ids: int
    health: dict[str, float]  # of a new tokenizer; empty where the one before stays
    told: str
    fitted: str = ""  # what was told of the tokenizer at its fit: its health
    outside: str = ""  # of a new baseline: which limit of health it is outside of

    @property
    def carried(self) -> CarriedIds:
        """What the next cycle carries on."""
        return CarriedIds(
            encoders=self.encoders, tokenizer=self.tokenizer, ids=self.ids, name=self.name, fitted=self.fitted
        )

    @property
    def note(self) -> str:
        return self.told


@dataclass(frozen=True, kw_only=True)
class ColdIds:
    """The ID table of the cut with, below it, IDs from content alone for what appeared after it."""

    ids: ArtifactRef
    num_cold: int
    num_new: int  # items that appeared after the cut, with content or without

    @property
    def note(self) -> str:
        return f"{self.num_cold} of {self.num_new} items that appeared after the cut have content"


@task(task_run_name="fit-tokenizer")
def fit_tokenizer(
    run: str, snapshots: Snapshots, rows: TrainingRows, encoded: EncodedItems, name: TokenizerName,
    preset: PresetName, seed: int, previous: CarriedIds | None,
) -> StageResult[IdentifiedItems]:  # fmt: skip
    """A new tokenizer, and the ID table that begins with it. A collapsed codebook stops the run here, but a baseline's.

    `previous` are the IDs before, if there are any: how much of them is left is told, and decides where the same
    tokenizer made them.
    """
    settings, size = load_settings(), size_of(preset)
    key = key_of(
        fit_tokenizer, "fit tokenizer", run=run,
        reads={
            "training_set": rows.training_set, "feature_set": encoded.feature_set,
            "previous_ids": previous.ids if previous else None,
        },
        facts={
            "tokenizer": name, "preset": size, "seed": seed, "device": settings.device,
            "precision": settings.precision,
        },
    )  # fmt: skip

    def work() -> IdentifiedItems:
        data = load_training_set(rows.training_set)
        graph = load_feature_set(encoded.feature_set).graph
        edges = np.stack([graph.user_index, graph.item_index])
        with progress_bar("fit tokenizer") as bar:
            fitted = fit(
                data.vectors,
                data.present,
                edges,
                num_users=graph.num_users,
                config=tokenizer_config(name, size, seed=seed),
                on_step=lambda stage, step, steps, loss: bar(step + 1, steps, {stage: loss}),
                categories=snapshot.read_categories(snapshots.train, data.item_ids),
                compute=settings.compute,
            )
        before = read_id_table(previous.ids) if previous else None
        version = begin_version(
            fitted,
            data.item_ids,
            edges,
            previous=before,
            limits=health_limits(name),
            is_baseline=name == BASELINE,
            continues=previous is not None and previous.name == name,
        )
        config = {"tokenizer": name, "preset": size, "seed": seed}
        tokenizer = publish_tokenizer(settings.artifacts, version, parents=key.parents, config=config)
        return IdentifiedItems(
            encoders=encoded.feature_set,
            tokenizer=tokenizer,
            ids=publish_id_table(
                settings.artifacts, version.table, tokenizer=tokenizer, table_sizes=version.table_sizes
            ),
            name=name,
            new_ids=len(version.table),
            health=version.figures,
            told=version.note,
            fitted=version.note,
            outside=version.outside,
        )

    identified = run_once(key, IdentifiedItems, work, computes=True)
    create_table_artifact(
        key="codebook-health",
        table=[
            {"figure": ids_metric(name).partition("/")[2], "value": round(value, 4), "what it says": ids_meaning(name)}
            for name, value in sorted(identified.output.health.items())
        ],
        description="How the tokenizer uses its codes, and what they agree with",
    )  # fmt: skip
    return identified


@task(task_run_name="extend-ids")
def extend_ids(
    run: str, rows: TrainingRows, encoded: EncodedItems, carried: CarriedIds
) -> StageResult[IdentifiedItems]:
    """The frozen tokenizer gives IDs to items that have none; every ID that exists stays as it is."""
    key = key_of(
        extend_ids, "extend ids", run=run,
        reads={
            "training_set": rows.training_set, "feature_set": encoded.feature_set,
            "tokenizer": carried.tokenizer, "ids": carried.ids,
        },
    )  # fmt: skip

    def work() -> IdentifiedItems:
        data = load_training_set(rows.training_set)
        graph = load_feature_set(encoded.feature_set).graph
        known, tokenizer = read_id_table(carried.ids), open_tokenizer(carried.tokenizer)
        edges = np.stack([graph.user_index, graph.item_index])
        extended = extend_table(
            known, tokenizer, data.item_ids, data.vectors, data.present, edges, graph.num_users
        )
        table = extended.table
        ids = publish_id_table(
            load_settings().artifacts,
            table,
            tokenizer=carried.tokenizer,
            table_sizes=tokenizer.table_sizes(table),
        )
        return IdentifiedItems(
            encoders=carried.encoders,
            tokenizer=carried.tokenizer,
            ids=ids,
            name=carried.name,
            new_ids=extended.num_new,
            health={},
            told=f"{extended.num_new} new IDs beside {len(known):,} that stay",
            fitted=carried.fitted,
        )

    return run_once(key, IdentifiedItems, work, computes=True)


@task(task_run_name="identify-cold-items")
def identify_cold(
    run: str,
    source: str,
    snapshots: Snapshots,
    ids: CarriedIds,
    mapping: str = "",
    with_content: bool = False,
) -> StageResult[ColdIds]:
    """The frozen tokenizer reads what the window's new items are; those without any content get no ID.

    They are for the replay's second pass; what they are stands beside their IDs `with_content`, for arms that read it.
    The bundle that is registered keeps the IDs of the cut; the next cycle gives these items IDs of their own, when they
    have events.
    """
    content = content_of(source, mapping)
    key = key_of(
        identify_cold, "identify cold items", run=run,
        reads={
            "window": snapshots.window, "ids": ids.ids, "tokenizer": ids.tokenizer, "encoders": ids.encoders,
        },
        facts={**content.facts, **({"content": "kept"} if with_content else {})},
    )  # fmt: skip

    def work() -> ColdIds:
        known, items = read_id_table(ids.ids), snapshot.read_items(snapshots.window)
        new = items[~items["item_id"].isin(known.item_ids)]
        with progress_bar("encode new items") as on_step:
            vectors = content.encode(load_feature_set(ids.encoders).encoders, new, on_step)
        cold = cold_table(
            known, open_tokenizer(ids.tokenizer), vectors.item_ids, vectors.vectors, vectors.present
        )
        is_cold = np.isin(vectors.item_ids.astype(str), cold.table.item_ids[cold.num_known :].astype(str))
        ref = publish_cold_ids(
            load_settings().artifacts, cold, ids=ids.ids, window=snapshots.window,
            content=vectors.content.of(is_cold) if with_content else None,
        )  # fmt: skip
        return ColdIds(ids=ref, num_cold=cold.num_cold, num_new=len(new))

    return run_once(key, ColdIds, work, computes=True)


def open_tokenizer(ref: ArtifactRef) -> Tokenizer:
    """A published tokenizer, every byte checked."""
    verified(ref.path)
    return load_tokenizer(Path(ref.path))
